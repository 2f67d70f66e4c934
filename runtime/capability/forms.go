package capability

import (
	"slices"
	"strings"
)

// Form is one way to write a resource of a group in a grant.
type Form struct {
	Resource string // with names in the place of what varies, as in kafka://host:port/topic
	Example  string // one that can be granted
	What     string // what it allows, in a few words
	Write    string // what the right to write adds; "": nothing, or the group has none for it
	Beside   bool   // it is of no use without a resource of another form, which has the address
}

// Formed is a Group that says how resources are written in its grants.
type Formed interface {
	Group
	// Forms are all of them, that which most grants have first.
	Forms() []Form
}

// FormsOf are the forms of a group; nil: it does not say.
func FormsOf(g Group) []Form {
	if f, ok := g.(Formed); ok {
		return f.Forms()
	}
	return nil
}

// StandsAlone reports whether a resource of a group is of use without another one.
func StandsAlone(g Group, resource string) bool {
	return !slices.ContainsFunc(FormsOf(g), func(f Form) bool {
		kind, _, _ := strings.Cut(f.Resource, ":")
		return f.Beside && strings.HasPrefix(resource, kind+":")
	})
}

// FormsText is what stands for the resources of a group in a command: its forms,
// one behind the other, quoted where a shell would read them otherwise.
func FormsText(g Group) string {
	forms := FormsOf(g)
	if len(forms) == 0 {
		return "RESOURCE"
	}
	words := make([]string, len(forms))
	for i, f := range forms {
		if words[i] = f.Resource; strings.ContainsAny(f.Resource, "*#+? ") {
			words[i] = "'" + f.Resource + "'"
		}
	}
	return strings.Join(words, " ")
}
