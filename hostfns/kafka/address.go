package kafka

import (
	"errors"
	"strings"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The scheme of resources, and the port of brokers.
const (
	scheme      = "kafka://"
	defaultPort = "9092"
	maxTopic    = 249
)

// servers are the resources of grants: a topic at a broker, in one spelling.
func servers() egress.Servers {
	return egress.Servers{
		Prefix: scheme, Port: defaultPort,
		Form: "kafka://host:port/topic, as in kafka://kafka1:9092/readings, with stars as you like, or cidr:network",
		Rest: func(text string) (string, error) { return text, checkTopic(strings.TrimPrefix(text, "/")) },
		CheckRest: func(pattern string) error {
			if strings.Contains(pattern[1:], "/") {
				return errors.New("there is no slash in a topic's name")
			}
			return nil
		},
	}
}

// broker is a broker's address in its one spelling.
func broker(text string) (string, error) { return servers().Endpoint(text) }

// checkTopic says what is wrong with the name of a topic.
func checkTopic(topic string) error {
	bad := strings.IndexFunc(topic, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
	if topic == "" || topic == "." || topic == ".." || len(topic) > maxTopic || bad >= 0 {
		return errors.New("a topic's name has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'")
	}
	return nil
}

func resourceOf(broker, topic string) string { return scheme + broker + "/" + topic }

// checkPattern says what is wrong with a resource of a grant.
func checkPattern(text string) error { return servers().CheckPattern(text) }

// covers reports whether a pattern covers a resource, or all that another
// pattern does. It says no when it cannot tell.
func covers(pattern, resource string) bool { return servers().Matches(pattern, resource) }

// granted reports whether a grant covers a topic at a broker, with any right.
func granted(grants []spec.Grant, broker, topic string) bool {
	resource := resourceOf(broker, topic)
	for _, g := range grants {
		for _, pattern := range g.Resources {
			if covers(pattern, resource) {
				return true
			}
		}
	}
	return false
}

// anyTopic reports whether a grant with the right covers some topic at the broker of a
// resource.
func anyTopic(grants []spec.Grant, resource string, right spec.Right) bool {
	for _, g := range grants {
		for _, pattern := range g.Resources {
			rest, topics := strings.CutPrefix(pattern, scheme)
			at, _, _ := strings.Cut(rest, "/")
			there := spec.Grant{Resources: []string{scheme + at + "/*"}, Rights: g.Rights}
			if topics && capability.Allows([]spec.Grant{there}, resource, right) {
				return true
			}
		}
	}
	return false
}
