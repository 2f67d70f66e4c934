package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Difference is what changes when one module takes the place of another, in
// plain sentences.
type Difference struct {
	From, To string   // digests
	More     []string // what the new one asks for beyond the old one: it needs consent
	Fewer    []string // what it no longer asks for
	Other    []string // what else a person may want to know
}

// Compare says what changes when a module takes the place of another. Groups
// that reach nothing outside of the connector need no grant, and no consent.
func Compare(from, to spec.Module, groups capability.Registry) Difference {
	d := Difference{From: from.Digest, To: to.Digest}
	old, now := asks(from, groups), asks(to, groups)
	for _, a := range now {
		d.against(askOf(old, a.group), a)
	}
	for _, a := range old {
		if askOf(now, a.group) == nil {
			d.Fewer = append(d.Fewer, "It no longer uses the group "+a.group+".")
		}
	}
	d.tokens(&from.Manifest, &to.Manifest)
	d.manifests(&from.Manifest, &to.Manifest)
	return d
}

func askOf(all []ask, group string) *ask {
	for i := range all {
		if all[i].group == group {
			return &all[i]
		}
	}
	return nil
}

// against compares what two modules ask of one group; old may be nil.
func (d *Difference) against(old *ask, now ask) {
	more := &d.More
	if now.contained {
		more = &d.Other
	}
	if old == nil {
		*more = append(*more, now.anew())
		return
	}
	for _, r := range now.rights {
		if !slices.Contains(old.rights, r) {
			*more = append(*more, fmt.Sprintf("It asks to %s%s, which the old one does not.", r, now.of(r)))
		}
	}
	for _, r := range old.rights {
		if !slices.Contains(now.rights, r) {
			d.Fewer = append(d.Fewer, fmt.Sprintf("It no longer asks to %s%s.", r, old.of(r)))
		}
	}
	switch {
	case old.optional && !now.optional:
		*more = append(*more, fmt.Sprintf("It cannot do without the group %s, which the old one can.%s", now.group, now.claim()))
	case !old.optional && now.optional:
		d.Fewer = append(d.Fewer, fmt.Sprintf("It can do without the group %s.", now.group))
	}
	d.functions(old, now)
	if old.reason != now.reason {
		d.Other = append(d.Other, fmt.Sprintf("The reason that it gives for %s was %q and is %q.", now.group, old.reason, now.reason))
	}
}

// functions names those that are new within rights that the old one has.
func (d *Difference) functions(old *ask, now ask) {
	for _, f := range now.functions {
		had := slices.ContainsFunc(old.functions, func(o capability.Function) bool { return o.Name == f.Name })
		if !had && (f.Right == "" || slices.Contains(old.rights, f.Right)) {
			d.Other = append(d.Other, fmt.Sprintf("It can now %s (%s%s %s).", f.Sentence, abi.ImportPrefix, now.group, f.Name))
		}
	}
}

// anew is what a module asks of a group that the old one does not use.
func (a ask) anew() string {
	var b strings.Builder
	fmt.Fprintf(&b, "It asks for the group %s, which the old one does not use", a.group)
	if len(a.rights) > 0 {
		rights := make([]string, len(a.rights))
		for i, r := range a.rights {
			rights[i] = string(r)
		}
		fmt.Fprintf(&b, ", to %s", strings.Join(rights, " and "))
	}
	switch {
	case a.contained:
		b.WriteString("; it needs no grant")
	case a.optional:
		b.WriteString("; it works without")
	default:
		b.WriteString("; it does not start without")
	}
	b.WriteString(".")
	for _, f := range a.functions {
		fmt.Fprintf(&b, " It can %s.", f.Sentence)
	}
	return b.String() + a.claim()
}

// of says what a right is of: " (serial): it can write to …".
func (a ask) of(r spec.Right) string {
	var can []string
	for _, f := range a.functions {
		if f.Right == r {
			can = append(can, f.Sentence)
		}
	}
	if len(can) == 0 {
		return " (" + a.group + ")"
	}
	return " (" + a.group + ": " + strings.Join(can, "; ") + ")"
}

// claim quotes the reason that the module's author gives.
func (a ask) claim() string {
	if a.reason == "" {
		return ""
	}
	return fmt.Sprintf(" Its reason: %q", a.reason)
}

// manifests says what else is different, of what a person would notice.
func (d *Difference) manifests(old, now *abi.Manifest) {
	for _, p := range []struct{ what, old, now string }{
		{"type", old.Category + "/" + old.ProviderType, now.Category + "/" + now.ProviderType},
		{"version", old.Version, now.Version},
		{"kind", string(old.Kind), string(now.Kind)},
		{"mode", string(old.Mode), string(now.Mode)},
		{"contract", contract(old), contract(now)},
		{"list of device types", strings.Join(old.DeviceTypes, ", "), strings.Join(now.DeviceTypes, ", ")},
		{"list of entry points", strings.Join(old.Required(), ", "), strings.Join(now.Required(), ", ")},
	} {
		if p.old != p.now {
			d.Other = append(d.Other, fmt.Sprintf("Its %s was %s and is %s.", p.what, orNone(p.old), orNone(p.now)))
		}
	}
	if !sameJSON(old.ConfigSchema, now.ConfigSchema) {
		d.Other = append(d.Other, "The schema of its config is another one.")
	}
}

func contract(m *abi.Manifest) string { return fmt.Sprintf("%d.%d", m.ABI.Major, m.ABI.Minor) }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
