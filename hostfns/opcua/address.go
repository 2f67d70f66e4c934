package opcua

import (
	"errors"
	"strings"

	"github.com/snaprail/snaprail/runtime/egress"
)

// The scheme of endpoints, and its port.
const (
	scheme      = "opc.tcp://"
	defaultPort = "4840"
)

// servers are the resources of grants: endpoints, in one spelling.
func servers() egress.Servers {
	return egress.Servers{
		Prefix: scheme, Port: defaultPort,
		Form: "opc.tcp://host:port/path, as in opc.tcp://plc1:4840, with stars as you like, or cidr:network",
		Rest: func(text string) (string, error) {
			if strings.ContainsAny(text, "?#") {
				return "", errors.New("an endpoint has nothing behind its path")
			}
			u, err := egress.Canonical("http://host" + text) // the web's rules for paths are ours
			if err != nil {
				return "", err
			}
			return strings.TrimSuffix(u.EscapedPath(), "/"), nil
		},
	}
}

// endpoint is the address of a server in its one spelling, which grants are
// matched against.
func endpoint(text string) (string, error) {
	const front = len(scheme)
	if len(text) > 1024 || len(text) <= front || !strings.EqualFold(text[:front], scheme) {
		return "", errors.New("want opc.tcp://host:port/path, as in opc.tcp://plc1:4840")
	}
	return servers().Canonical(scheme + text[front:])
}

// addressOf is what to dial for a canonical endpoint.
func addressOf(endpoint string) string {
	address, _, _ := strings.Cut(strings.TrimPrefix(endpoint, scheme), "/")
	return address
}

// checkPattern says what is wrong with a resource of a grant: an endpoint, which
// may have stars as in opc.tcp://*.plant:4840, or a network of private addresses
// (cidr:10.0.0.0/8).
func checkPattern(text string) error { return servers().CheckPattern(text) }

// covers reports whether a pattern covers a resource, or all that another
// pattern does. It says no when it cannot tell.
func covers(pattern, resource string) bool { return servers().Matches(pattern, resource) }
