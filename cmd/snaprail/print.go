package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The forms of output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// show prints value as indented JSON, or calls table.
func (a *app) show(value any, table func()) error {
	if a.output != outputJSON {
		table()
		return nil
	}
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fault.Wrap(fault.Internal, err, "print")
	}
	return nil
}

// rows prints lines with aligned columns. Cells are made visible.
func (a *app) rows(head []string, rows [][]string) {
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	if head != nil {
		fmt.Fprintln(w, strings.Join(head, "\t"))
	}
	for _, cells := range rows {
		for i := range cells {
			cells[i] = visible(cells[i])
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	_ = w.Flush() // a closed stdout is nobody's news
}

// visible writes control characters as escapes, so that text from a device or
// a module cannot drive the terminal.
func visible(s string) string {
	s = strings.ReplaceAll(s, "\t", "  ")
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden covers C0, DEL, C1 and the format characters that reorder text.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// short is the start of a digest, enough to name a module.
func short(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}

// when prints a time for a table.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// size prints a number of bytes for a person.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// orDash is s, or a dash where a table would have a hole.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// indented is JSON for a person.
func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
