package kafka

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The scheme of resources, and the port of brokers.
const (
	scheme      = "kafka://"
	defaultPort = "9092"
	network     = "cidr:"
	maxTopic    = 249
)

var (
	errResource = errors.New("want kafka://host:port/topic, as in kafka://kafka1:9092/readings, with stars as you like, or cidr:network")
	errBroker   = errors.New("want host:port, as in kafka1:9092")
)

// broker is a broker's address in its one spelling.
func broker(text string) (string, error) {
	if text == "" || len(text) > 512 || strings.ContainsAny(text, "/@?# ") {
		return "", errBroker
	}
	u, err := url.Parse("http://" + text)
	if err != nil || u.User != nil || u.Hostname() == "" {
		return "", errBroker
	}
	if u.Port() == "" {
		return egress.Endpoint(net.JoinHostPort(u.Hostname(), defaultPort))
	}
	return egress.Endpoint(text)
}

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
func checkPattern(text string) error {
	if strings.HasPrefix(text, network) {
		return egress.CheckPattern(text)
	}
	rest, ok := strings.CutPrefix(text, scheme)
	at, topic, found := strings.Cut(rest, "/")
	if _, err := path.Match(text, ""); !ok || err != nil || !found || topic == "" || strings.Contains(topic, "/") {
		return errResource
	}
	if err := egress.CheckEndpoint(at); err != nil {
		return fmt.Errorf("the broker: %w", err)
	}
	if !strings.ContainsAny(topic, `*?[\`) {
		return checkTopic(topic)
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
		return checkPattern(pattern) == nil
	}
	if strings.ContainsAny(resource, `*?[\`) {
		return false
	}
	rest, ok := strings.CutPrefix(resource, scheme)
	at, topic, found := strings.Cut(rest, "/")
	canonical, err := broker(at)
	if !ok || !found || err != nil || checkTopic(topic) != nil {
		return false
	}
	matched, err := path.Match(pattern, resourceOf(canonical, topic))
	return matched && err == nil
}

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
