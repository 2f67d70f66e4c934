package mqtt

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

// How resources begin.
const (
	brokers = "broker:"
	topics  = "topic:"
)

// The schemes of URLs, and their ports.
const (
	schemePlain = "mqtt"
	schemeTLS   = "mqtts"
	portPlain   = "1883"
	portTLS     = "8883"
)

var errURL = errors.New("want mqtt://host:1883 or mqtts://host:8883, and nothing behind it")

// servers are the brokers among the resources of grants, in one spelling.
func servers() egress.Servers {
	return egress.Servers{
		Prefix: brokers,
		Form:   "broker:host:port, as in broker:mqtt1:8883 with stars as you like, topic:filter, as in topic:plant/+/readings, or cidr:network",
	}
}

// address is the broker of a URL in its one spelling.
func address(text string) (at string, secure bool, err error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > 512 || u.User != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" ||
		u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return "", false, errURL
	}
	port := u.Port()
	switch u.Scheme {
	case schemePlain:
		port = orElse(port, portPlain)
	case schemeTLS:
		secure, port = true, orElse(port, portTLS)
	default:
		return "", false, errURL
	}
	at, err = egress.Endpoint(net.JoinHostPort(u.Hostname(), port))
	return at, secure, err
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// checkPattern says what is wrong with a resource of a grant.
func checkPattern(text string) error {
	if filter, ok := strings.CutPrefix(text, topics); ok {
		if strings.Contains(filter, "*") {
			return errors.New("has a star: in filters, + stands for one level and # at the end for all the rest")
		}
		return checkFilter(filter)
	}
	return servers().CheckPattern(text)
}

// covers reports whether a pattern covers a resource, or all that another pattern
// does. It says no when it cannot tell.
func covers(pattern, resource string) bool {
	wide, isTopic := strings.CutPrefix(pattern, topics)
	narrow, wantsTopic := strings.CutPrefix(resource, topics)
	if isTopic || wantsTopic {
		return isTopic && wantsTopic && checkPattern(pattern) == nil && (wide == narrow || checkFilter(narrow) == nil && within(wide, narrow))
	}
	return servers().Matches(pattern, resource)
}

// granted reports whether a grant covers a topic or a filter at a broker with a
// right. The topics of a grant that names brokers are granted at those; those of one
// that names none at every broker that another grants.
func granted(grants []spec.Grant, broker, what string, right spec.Right) bool {
	for _, g := range grants {
		if holds(g, right) && applies(g, broker) && names(g, topics+what) {
			return true
		}
	}
	return false
}

// readable reports whether a filter may be subscribed to at a broker: both are to be
// granted to read.
func readable(grants []spec.Grant, broker, filter string) bool {
	return slices.ContainsFunc(grants, func(g spec.Grant) bool { return holds(g, spec.Read) && names(g, broker) }) &&
		granted(grants, broker, filter, spec.Read)
}

// applies reports whether a grant's topics are those of a broker.
func applies(g spec.Grant, broker string) bool { return !namesBrokers(g) || names(g, broker) }

func namesBrokers(g spec.Grant) bool {
	return slices.ContainsFunc(g.Resources, func(pattern string) bool { return strings.HasPrefix(pattern, brokers) })
}

// names reports whether a resource of the grant covers this one.
func names(g spec.Grant, resource string) bool {
	return slices.ContainsFunc(g.Resources, func(pattern string) bool { return covers(pattern, resource) })
}

// barred reports whether a topic is that of a grant with an interlock which names no
// broker: it is asked for the broker's grants alone, and so would not be asked.
func barred(grants []spec.Grant, topic string) bool {
	for _, g := range grants {
		if g.Interlock != nil && !g.Interlock.Unasked && !namesBrokers(g) && names(g, topics+topic) {
			return true
		}
	}
	return false
}

// locked reports whether the broker is that of a grant with an interlock.
func locked(grants []spec.Grant, broker string) bool {
	for _, g := range grants {
		if g.Interlock == nil || g.Interlock.Unasked {
			continue
		}
		if names(g, broker) {
			return true
		}
	}
	return false
}

func holds(g spec.Grant, right spec.Right) bool {
	if len(g.Rights) == 0 {
		return right == spec.Read
	}
	return slices.Contains(g.Rights, right)
}
