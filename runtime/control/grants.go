package control

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of a connector's grants.
const (
	maxGrants    = 64
	maxResources = 64
	maxPattern   = 1024
	maxReason    = 512 // bytes
)

// checkGrants checks the form of grants. Whether the module has a use for them
// is another matter: see warnings.
func (t *Tenant) checkGrants(grants []spec.Grant, wrong func(string, string, ...any)) {
	if len(grants) > maxGrants {
		wrong("/grants", "has at most %d entries", maxGrants)
		return
	}
	for i, g := range grants {
		at := fmt.Sprintf("/grants/%d", i)
		group, known := t.cfg.Groups.Group(g.Group)
		if !known {
			wrong(at+"/group", "is no group of this server: it has %s", strings.Join(t.groupNames(), ", "))
		}
		if len(g.Resources) > maxResources {
			wrong(at+"/resources", "has at most %d entries", maxResources)
		}
		for j, p := range g.Resources {
			if detail := badPattern(group, p); detail != "" {
				wrong(fmt.Sprintf("%s/resources/%d", at, j), "%s", detail)
			}
		}
		for j, right := range g.Rights {
			if !slices.Contains([]spec.Right{spec.Read, spec.Write}, right) {
				wrong(fmt.Sprintf("%s/rights/%d", at, j), "is read or write")
			}
		}
		if len(g.Reason) > maxReason || !utf8.ValidString(g.Reason) || strings.ContainsFunc(g.Reason, unicode.IsControl) {
			wrong(at+"/reason", "has at most %d bytes, none of them a control character", maxReason)
		}
		if g.Interlock != nil {
			if !slices.Contains(g.Rights, spec.Write) {
				wrong(at+"/interlock", "is for grants with the right to write")
			}
			interlock.Check(at+"/interlock", g.Interlock, wrong)
		}
	}
}

// badPattern says what is wrong with the pattern of a resource; "": nothing. A
// group whose resources are no paths has the last word.
func badPattern(group capability.Group, p string) string {
	own, isOwn := group.(capability.Matcher)
	_, err := path.Match(p, "")
	switch {
	case p == "":
		return "is empty: name a resource, or a pattern (as in /dev/ttyUSB*)"
	case len(p) > maxPattern:
		return fmt.Sprintf("is a pattern of more than %d bytes", maxPattern)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return "holds a control character, which no resource has"
	case isOwn:
		if err := own.CheckPattern(p); err != nil {
			return "is no pattern: " + err.Error()
		}
	case err != nil:
		return "is no pattern (as in /dev/ttyUSB*): a [ is not closed, or the last \\ has nothing behind it"
	}
	return ""
}

func isMatcher(g capability.Group) bool {
	_, ok := g.(capability.Matcher)
	return ok
}

func (t *Tenant) groupNames() (names []string) {
	for _, g := range t.cfg.Groups.Groups() {
		names = append(names, g.Name())
	}
	return names
}

// settleGrants is what is stored of the grants that a caller sent. Who granted
// what, and when, is not the caller's to say: a grant that was there keeps it.
// The reason is the caller's, and may change. So may the interlock, but one that
// is only left out stays: whoever made the grant need not be who bounded it.
func settleGrants(had, want []spec.Grant, by string, now time.Time) []spec.Grant {
	had, want = slices.Clone(had), slices.Clone(want)
	keepInterlocks(had, want)
	for i := range want {
		g := &want[i]
		g.GrantedBy, g.GrantedAt = by, now
		if j := slices.IndexFunc(had, func(h spec.Grant) bool { return sameGrant(h, *g) }); j >= 0 {
			g.GrantedBy, g.GrantedAt = had[j].GrantedBy, had[j].GrantedAt
			had = slices.Delete(had, j, j+1)
		}
	}
	return want
}

// keepInterlocks gives the grants that say nothing of an interlock that of the
// same resources.
func keepInterlocks(had, want []spec.Grant) {
	for i := range want {
		g := &want[i]
		unlock := g.Unlock
		g.Unlock = false
		if g.Interlock != nil || unlock || !slices.Contains(g.Rights, spec.Write) {
			continue
		}
		if j := slices.IndexFunc(had, func(h spec.Grant) bool { return h.Interlock != nil && sameResources(h, *g) }); j >= 0 {
			g.Interlock = had[j].Interlock
		}
	}
}

// unlocked says which interlocks a change takes away, in words.
func unlocked(had, has []spec.Grant) (gone []string) {
	for _, h := range had {
		if h.Interlock == nil || slices.ContainsFunc(has, func(g spec.Grant) bool { return g.Interlock != nil && sameResources(g, h) }) {
			continue
		}
		what := strings.Join(append([]string{h.Group}, h.Resources...), " ")
		if slices.ContainsFunc(has, func(g spec.Grant) bool { return g.Group == h.Group && slices.Contains(g.Rights, spec.Write) }) {
			gone = append(gone, "this takes the interlock of "+what+" away, and leaves a right to write to "+h.Group)
			continue
		}
		gone = append(gone, "this takes the interlock of "+what+" away, with the right to write")
	}
	return gone
}

// sameResources reports whether two grants are of the same group and the same
// resources, in whatever order.
func sameResources(a, b spec.Grant) bool {
	return a.Group == b.Group && slices.Equal(slices.Sorted(slices.Values(a.Resources)), slices.Sorted(slices.Values(b.Resources)))
}

// sameGrant reports whether two grants allow the same.
func sameGrant(a, b spec.Grant) bool {
	return a.Group == b.Group && slices.Equal(a.Resources, b.Resources) && slices.Equal(rightsOf(a), rightsOf(b)) &&
		reflect.DeepEqual(a.Interlock, b.Interlock)
}

// rightsOf are the rights of a grant, in order; none means to read.
func rightsOf(g spec.Grant) []spec.Right {
	if len(g.Rights) == 0 {
		return []spec.Right{spec.Read}
	}
	rights := slices.Clone(g.Rights)
	slices.Sort(rights)
	return slices.Compact(rights)
}

// grantSentence is a grant in words: "serial /dev/ttyUSB0 (read, write)".
func grantSentence(g spec.Grant) string {
	rights := make([]string, 0, 2)
	for _, r := range rightsOf(g) {
		rights = append(rights, string(r))
	}
	sentence := strings.Join(append([]string{g.Group}, g.Resources...), " ") + " (" + strings.Join(rights, ", ") + ")"
	if g.Interlock == nil {
		return sentence
	}
	raw, _ := json.Marshal(g.Interlock) // numbers and texts alone, which were checked
	return sentence + " with the interlock " + fault.Clip(string(raw), 160)
}

// grantChanges says which grants came and went: "+serial /dev/ttyUSB0 (read)".
func grantChanges(had, have []spec.Grant) (changes []string) {
	missing := func(from, in []spec.Grant, sign string) {
		in = slices.Clone(in)
		for _, g := range from {
			if j := slices.IndexFunc(in, func(h spec.Grant) bool { return sameGrant(h, g) }); j >= 0 {
				in = slices.Delete(in, j, j+1)
				continue
			}
			changes = append(changes, sign+grantSentence(g))
		}
	}
	missing(have, had, "+")
	missing(had, have, "-")
	return changes
}

// warnings say which grants do nothing, and which are missing.
func warnings(m abi.Manifest, grants []spec.Grant, groups capability.Registry) (list []string) {
	for i, g := range grants {
		at := fmt.Sprintf("/grants/%d", i)
		c := declared(m, g.Group)
		group, _ := groups.Group(g.Group)
		switch {
		case c == nil:
			list = append(list, fmt.Sprintf("%s: the module does not name the group %q, so the grant does nothing", at, g.Group))
		case group != nil && capability.IsContained(group):
			list = append(list, fmt.Sprintf("%s: the group %q needs no grant", at, g.Group))
		case slices.Contains(g.Rights, spec.Write) && !slices.Contains(c.Rights, string(spec.Write)):
			list = append(list, fmt.Sprintf("%s: the module does not say that it writes to %s, and may now", at, g.Group))
		case len(g.Resources) == 0 && group != nil && capability.Opens(group):
			list = append(list, fmt.Sprintf("%s: the grant names no resource, so the module can open none", at))
		case len(g.Resources) == 0 && group != nil && isMatcher(group):
			list = append(list, fmt.Sprintf("%s: the grant names no resource, so it allows nothing", at))
		}
	}
	for _, c := range m.Capabilities {
		group, known := groups.Group(c.Group)
		has := slices.ContainsFunc(grants, func(g spec.Grant) bool { return g.Group == c.Group })
		if known && !c.Optional && !has && !capability.IsContained(group) {
			list = append(list, fmt.Sprintf("the module cannot start without a grant for %s: %q", c.Group, strings.TrimSpace(c.Reason)))
		}
	}
	return list
}
