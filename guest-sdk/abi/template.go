package abi

import "strings"

// Expand puts texts into a template: each ${name} becomes what text says of the
// name, and stays as it is where text knows nothing. What is put in is not
// looked into again.
func Expand(template string, text func(name string) (string, bool)) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(template, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			out.WriteString(template)
			return out.String()
		}
		out.WriteString(before)
		if value, ok := text(name); ok {
			out.WriteString(value)
			template = after
		} else {
			out.WriteString("${")
			template = rest
		}
	}
}
