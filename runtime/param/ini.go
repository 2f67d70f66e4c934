package param

import (
	"encoding/json"
	"strings"
)

// fromINI reads [sections] of name = value lines, as configparser of Python
// does: names get small letters, comments begin with # or ;, a line that is
// indented goes on with the value above it.
func fromINI(body []byte, lower bool) (json.RawMessage, error) {
	r := iniReader{lower: lower}
	n := 0
	for line := range strings.Lines(string(body)) {
		n++
		if err := r.line(n, line); err != nil {
			return nil, err
		}
	}
	root := newObject()
	for _, s := range r.all {
		if !root.set(s.name, quoted(s.value)) {
			return nil, atLine(s.line, "%q is given twice", clip(s.name))
		}
	}
	return root.raw(), nil
}

type iniReader struct {
	lower   bool   // make section names of small letters
	section string // with its dot
	all     []setting
	open    bool // the last setting may go on
}

func (r *iniReader) line(n int, line string) error {
	text := strings.TrimSpace(line)
	switch {
	case text == "" || text[0] == '#' || text[0] == ';':
		return nil
	case line[0] == ' ' || line[0] == '\t':
		if !r.open {
			return atLine(n, "is indented, and there is no value above that it could go on with")
		}
		r.all[len(r.all)-1].value += "\n" + text
		return nil
	case text[0] == '[' && strings.HasSuffix(text, "]"):
		return r.header(n, strings.TrimSpace(text[1:len(text)-1]))
	}
	at := strings.IndexAny(text, "=:")
	if at <= 0 {
		return atLine(n, "is no section and no name = value")
	}
	name := strings.ToLower(strings.TrimSpace(text[:at]))
	switch {
	case !isPart(name):
		return atLine(n, "%q cannot be a name", clip(name))
	case len(r.all) == MaxRows:
		return atLine(n, "there are more than %d settings", MaxRows)
	}
	r.all, r.open = append(r.all, setting{n, r.section + name, strings.TrimSpace(text[at+1:])}), true
	return nil
}

func (r *iniReader) header(n int, name string) error {
	if r.lower {
		name = strings.ToLower(name)
	}
	if !isPart(name) {
		return atLine(n, "%q cannot be a section's name", clip(name))
	}
	r.section, r.open = name+".", false
	return nil
}
