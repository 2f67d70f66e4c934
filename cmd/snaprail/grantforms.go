package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// grantForm is one way to write a resource, of a group.
type grantForm struct {
	Group    string `json:"group"`
	Resource string `json:"resource,omitempty"`
	Example  string `json:"example,omitempty"`
	Read     string `json:"read"`
	Write    string `json:"write,omitempty"`
}

// grantForms are all of them, of one group or of all with "".
func grantForms(group string) (forms []grantForm) {
	for _, g := range offer().Groups() {
		if group != "" && g.Name() != group {
			continue
		}
		for _, f := range capability.FormsOf(g) {
			forms = append(forms, grantForm{g.Name(), f.Resource, f.Example, f.What, f.Write})
		}
	}
	return forms
}

// grantTable is them as the help of a command shows them.
func grantTable() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, f := range grantForms("") {
		fmt.Fprintf(w, "  %s\t%s\n", f.Group, f.Resource)
	}
	_ = w.Flush() // a builder takes everything
	return strings.TrimRight(b.String(), "\n")
}

func (a *app) grantsForms() *cobra.Command {
	return &cobra.Command{
		Use: "forms [group]", Short: "Show how resources are written in grants, by group",
		Long: "Forms shows what can be named in a grant, what that allows, and what the right to write adds (--write).\n" +
			"A group that is not listed needs no grant.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			group := strings.Join(args, "")
			forms := grantForms(group)
			if len(forms) == 0 {
				return fault.New(fault.NotFound, "no grant names a resource of a group %q", group).
					WithHint("`snaprail grants forms` lists the groups; the others need no grant.")
			}
			return a.show(forms, func() {
				rows := make([][]string, len(forms))
				for i, f := range forms {
					rows[i] = []string{f.Group, orDash(f.Resource), orDash(f.Example), f.Read, orDash(f.Write)}
				}
				a.rows([]string{"GROUP", "RESOURCE", "AS IN", "ALLOWS", "WITH --write"}, rows)
			})
		},
	}
}
