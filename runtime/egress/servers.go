package egress

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
)

// IsNetwork reports whether a resource of a grant is a network, as in cidr:10.0.0.0/8,
// which opens no server and lets those in it be reached.
func IsNetwork(resource string) bool { return strings.HasPrefix(resource, cidrPrefix) }

// Servers are resources of grants that begin with a server, as in
// kafka://kafka1:9092/readings: a prefix, host:port, and what is meant there. All
// groups with such spell the server in one way, that of Endpoint.
type Servers struct {
	// Prefix is what they begin with: "kafka://".
	Prefix string
	// Port is the one that goes without saying in addresses, never in patterns.
	Port string
	// Form says what a resource looks like, for who has written another.
	Form string
	// Rest is the one spelling of what follows host:port in a resource, from the slash
	// on; empty: nothing does. nil: nothing may follow.
	Rest func(text string) (string, error)
	// CheckRest says what is wrong with it in a pattern with stars; nil: anything goes.
	CheckRest func(pattern string) error
}

// Endpoint is the address of a server, whose port may go without saying, in its one
// spelling.
func (s Servers) Endpoint(text string) (string, error) {
	if text == "" || len(text) > maxHost || strings.ContainsAny(text, "/@?# ") {
		return "", errEndpoint
	}
	u, err := url.Parse("http://" + text)
	if err != nil || u.User != nil || u.Hostname() == "" {
		return "", errEndpoint
	}
	if u.Port() == "" && s.Port != "" && !strings.HasSuffix(text, ":") {
		return Endpoint(net.JoinHostPort(u.Hostname(), s.Port))
	}
	return Endpoint(text)
}

// Canonical is a resource in its one spelling.
func (s Servers) Canonical(resource string) (string, error) {
	at, rest, ok := s.cut(resource)
	if !ok {
		return "", s.malformed()
	}
	at, err := s.Endpoint(at)
	if err != nil {
		return "", err
	}
	if rest, err = s.rest(rest); err != nil {
		return "", err
	}
	return s.Prefix + at + rest, nil
}

// CheckPattern says what is wrong with a resource of a grant, which may have stars, or
// is a network; nil: nothing. What has none is in its one spelling.
func (s Servers) CheckPattern(pattern string) error {
	if IsNetwork(pattern) {
		return CheckPattern(pattern)
	}
	at, rest, ok := s.cut(pattern)
	if _, err := path.Match(pattern, ""); !ok || err != nil || at == "" {
		return s.malformed()
	}
	if err := CheckEndpoint(at); err != nil {
		return fmt.Errorf("the server: %w", err)
	}
	if !strings.ContainsAny(rest, `*?[\`) {
		canonical, err := s.rest(rest)
		if err == nil && canonical != rest {
			err = errors.New("write it as " + s.Prefix + at + canonical)
		}
		return err
	}
	switch {
	case s.Rest == nil:
		return s.malformed()
	case s.CheckRest != nil:
		return s.CheckRest(rest)
	}
	return nil
}

// Matches reports whether a pattern covers a resource, or all that another pattern
// covers. It says no when it cannot tell, and for what CheckPattern refuses.
func (s Servers) Matches(pattern, resource string) bool {
	if IsNetwork(pattern) || IsNetwork(resource) {
		return Matches(pattern, resource)
	}
	if s.CheckPattern(pattern) != nil {
		return false
	}
	at, rest, ok := s.cut(pattern)
	wantAt, wantRest, found := s.cut(resource)
	if !ok || !found {
		return false
	}
	if canonical, err := s.Endpoint(wantAt); err == nil {
		wantAt = canonical
	}
	if !EndpointMatches(at, wantAt) {
		return false
	}
	if rest == wantRest {
		return true
	}
	if strings.ContainsAny(wantRest, `*?[\`) {
		return false
	}
	canonical, err := s.rest(wantRest)
	if err != nil {
		return false
	}
	matched, err := path.Match(rest, canonical)
	return matched && err == nil
}

// cut is the host:port of a resource, and what follows it.
func (s Servers) cut(resource string) (at, rest string, ok bool) {
	if at, ok = strings.CutPrefix(resource, s.Prefix); !ok {
		return "", "", false
	}
	if slash := strings.IndexByte(at, '/'); slash >= 0 {
		at, rest = at[:slash], at[slash:]
	}
	return at, rest, true
}

func (s Servers) rest(text string) (string, error) {
	switch {
	case s.Rest != nil:
		return s.Rest(text)
	case text != "":
		return "", s.malformed()
	}
	return "", nil
}

func (s Servers) malformed() error { return errors.New("want " + s.Form) }
