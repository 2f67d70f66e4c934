package opcua

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/snaprail/snaprail/runtime/egress"
)

// The scheme of endpoints, and its port.
const (
	scheme      = "opc.tcp://"
	defaultPort = "4840"
	network     = "cidr:"
)

var errEndpoint = errors.New("want opc.tcp://host:port/path, as in opc.tcp://plc1:4840")

// endpoint is the address of a server in its one spelling, which grants are
// matched against.
func endpoint(text string) (string, error) {
	const front = len(scheme)
	if len(text) > 1024 || len(text) <= front || !strings.EqualFold(text[:front], scheme) {
		return "", errEndpoint
	}
	u, err := url.Parse("http://" + text[front:])
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errEndpoint
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	at, err := egress.Endpoint(net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return "", err
	}
	canonical, err := egress.Canonical("http://" + at + u.EscapedPath()) // the web's rules for paths are ours
	if err != nil {
		return "", err
	}
	return scheme + at + strings.TrimSuffix(canonical.EscapedPath(), "/"), nil
}

// addressOf is what to dial for a canonical endpoint.
func addressOf(endpoint string) string {
	address, _, _ := strings.Cut(strings.TrimPrefix(endpoint, scheme), "/")
	return address
}

// CheckPattern says what is wrong with a resource of a grant: an endpoint, which
// may have stars as in opc.tcp://*.plant:4840, or a network of private addresses
// (cidr:10.0.0.0/8).
func checkPattern(text string) error {
	if strings.HasPrefix(text, network) {
		return egress.CheckPattern(text)
	}
	rest, ok := strings.CutPrefix(text, scheme)
	if _, err := path.Match(text, ""); !ok || err != nil {
		return errEndpoint
	}
	authority, _, _ := strings.Cut(rest, "/")
	if err := egress.CheckEndpoint(authority); err != nil {
		return fmt.Errorf("the server: %w", err)
	}
	if strings.ContainsAny(rest, `*?[\`) {
		return nil
	}
	if canonical, err := endpoint(text); err != nil {
		return err
	} else if canonical != text {
		return errors.New("write it as " + canonical)
	}
	return nil
}

// covers reports whether a pattern covers a resource, or all that another
// pattern does. It says no when it cannot tell.
func covers(pattern, resource string) bool {
	if strings.HasPrefix(pattern, network) || strings.HasPrefix(resource, network) {
		return egress.Matches(pattern, resource)
	}
	if pattern == resource {
		return true
	}
	if strings.ContainsAny(resource, `*?[\`) {
		return false
	}
	canonical, err := endpoint(resource)
	if err != nil {
		return false
	}
	ok, err := path.Match(pattern, canonical)
	return ok && err == nil
}
