package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func (a *app) printInspection(i *inspection) {
	rows := [][]string{{"digest", i.Digest}, {"size", size(i.Size)}}
	if i.File != "" {
		rows = append([][]string{{"file", i.File}}, rows...)
	}
	if m := i.Manifest; m != nil {
		rows = append(rows, manifestRows(m)...)
	}
	a.rows(nil, rows)
	a.printAbilities(i.Anatomy, i.Can, i.Cannot, i.Needs)
	if i.Difference != nil {
		a.printDifference(i.Difference)
	}
	if i.Verdict.Fits {
		fmt.Fprintln(a.out, "\nVerdict: by its bytes and its manifest a server of this version takes it in.\nWhich entry points it handles shows when the server starts it, at the upload.")
		return
	}
	fmt.Fprintf(a.out, "\nVerdict: refused (%s).\n", i.Verdict.Code)
}

func manifestRows(m *abi.Manifest) [][]string {
	rows := [][]string{
		{"name", m.DisplayName},
		{"type", m.Category + "/" + m.ProviderType},
		{"version", m.Version},
		{"kind", strings.TrimSuffix(string(m.Kind)+", mode "+string(m.Mode), ", mode ")},
		{"contract", fmt.Sprintf("%d.%d", m.ABI.Major, m.ABI.Minor)},
		{"entry points", strings.Join(m.Required(), ", ")},
	}
	return append(rows, serviceRows(m)...)
}

// serviceRows are how a connector's module serves devices.
func serviceRows(m *abi.Manifest) (rows [][]string) {
	if m.Kind != abi.KindConnector {
		return nil
	}
	rows = append(rows, []string{"lanes", "one for each " + cmp.Or(m.Lanes, "connector")})
	if m.Mode == abi.ModePoll {
		rows = append(rows, []string{"polls", "each " + cmp.Or(m.Polls, abi.PollsLane)})
	}
	return append(rows, []string{"device types", orDash(strings.Join(m.DeviceTypes, ", "))})
}

// printAbilities prints what a module is, can, cannot and has a use for.
func (a *app) printAbilities(anatomy *client.Anatomy, can, cannot []string, needs []client.Need) {
	if anatomy != nil {
		a.sentences("", anatomy.Sentences)
	}
	a.sentences("", can)
	a.sentences("", cannot)
	for _, optional := range []bool{false, true} {
		var grants []string
		for _, n := range needs {
			if n.Optional != optional {
				continue
			}
			if raw, err := json.Marshal(n.Grant); err == nil {
				grants = append(grants, "  "+string(raw))
			}
		}
		head := "It needs these grants, with the resources that you name:"
		if optional {
			head = "It has a use for these grants, and works without:"
		}
		a.sentences(head, grants)
	}
}

func (a *app) printDifference(d *client.Difference) {
	head := "In the place of " + short(d.From) + " it asks for nothing more, and needs no consent."
	if d.Consent {
		head = "In the place of " + short(d.From) + " it asks for more, and needs consent:"
	}
	fmt.Fprintf(a.out, "\n%s\n", head)
	for _, s := range d.More {
		fmt.Fprintf(a.out, "  %s\n", visible(s))
	}
	rest := append(append([]string{}, d.Fewer...), d.Other...)
	if len(rest) > 0 {
		fmt.Fprintln(a.out, "Besides:")
	}
	for _, s := range rest {
		fmt.Fprintf(a.out, "  %s\n", visible(s))
	}
}

// sentences prints a list behind an empty line, if there is any.
func (a *app) sentences(head string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	if head != "" {
		fmt.Fprintln(a.out, head)
	}
	for _, s := range list {
		fmt.Fprintf(a.out, "%s\n", visible(s))
	}
}
