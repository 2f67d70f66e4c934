package egress

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Rules say what may be reached. The zero Rules allow nothing. They do not
// change, and may be shared.
type Rules struct {
	group    string // whose grants they are; empty: they are of no connector's
	allow    []rule
	networks []netip.Prefix
	places   Places
}

// Places bounds the requests that one owner of rules has under way.
type Places interface {
	// Request waits for a place until ctx ends. done gives it back.
	Request(ctx context.Context) (done func(), err error)
}

// Within are the same rules for an owner who has so many places; nil: as many as
// there are.
func (r Rules) Within(p Places) Rules {
	r.places = p
	return r
}

type rule struct {
	pattern pattern
	rights  []spec.Right
}

// NewRules are the rules that grants of the group http give: each resource is a
// pattern of URLs, or a network of private addresses ("cidr:10.0.0.0/8"), which
// opens its addresses for the patterns of all grants. The error is an Invalid
// that names the resource.
func NewRules(grants []spec.Grant) (Rules, error) {
	r := Rules{group: "http"}
	for _, g := range grants {
		rights := g.Rights
		if len(rights) == 0 {
			rights = []spec.Right{spec.Read}
		}
		for _, resource := range g.Resources {
			p, err := parsePattern(resource)
			if err != nil {
				return Rules{}, fault.Wrap(fault.Invalid, err, "the resource %q", fault.Clip(resource, maxShown))
			}
			if p.network.IsValid() {
				r.networks = append(r.networks, p.network)
				continue
			}
			r.allow = append(r.allow, rule{p, rights})
		}
	}
	return r, nil
}

// Only are rules that allow these patterns with every method, and are of no
// connector's grants.
func Only(patterns ...string) (Rules, error) {
	r, err := NewRules([]spec.Grant{{Resources: patterns, Rights: []spec.Right{spec.Read, spec.Write}}})
	r.group = ""
	return r, err
}

// RightOf is the right that a method needs.
func RightOf(method string) spec.Right {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return spec.Read
	}
	return spec.Write
}

// Check refuses a request that no rule allows, with Denied. The URL has to be a
// canonical one.
func (r Rules) Check(method string, canonical *url.URL) error {
	right := RightOf(method)
	t := targetOf(canonical)
	if slices.ContainsFunc(r.allow, func(a rule) bool {
		return slices.Contains(a.rights, right) && a.pattern.matches(t)
	}) {
		return nil
	}
	shown := fault.Clip(canonical.Scheme+"://"+canonical.Host+canonical.EscapedPath(), maxShown)
	write := ""
	if right == spec.Write {
		write = " --write"
	}
	return fault.New(fault.Denied, "http: no grant covers %s %s", method, shown).
		WithHint("Add a grant to the connector: `snaprail grants add CONNECTOR http %q%s`.", shown, write)
}

// maxShown bounds what an error says of a URL, in bytes.
const maxShown = 256

// holds reports whether one of the networks holds an address.
func (r Rules) holds(a netip.Addr) bool {
	return slices.ContainsFunc(r.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// openTo is what a person does to have the rules hold an address.
func (r Rules) openTo(a netip.Addr) string {
	network := cidrPrefix + netip.PrefixFrom(a, a.BitLen()).String()
	if r.group == "" {
		return "name it beside what may be reached, as in " + network
	}
	return fmt.Sprintf("`snaprail grants add CONNECTOR %s %s`", r.group, network)
}

// names reports whether one of the networks is this address and nothing else.
func (r Rules) names(addrPort string) bool {
	ap, err := netip.ParseAddrPort(addrPort)
	if err != nil {
		return false
	}
	a := ap.Addr().WithZone("").Unmap()
	return slices.Contains(r.networks, netip.PrefixFrom(a, a.BitLen()))
}
