package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// The lines of a value with several that are masked each: a private key is
// printed line by line.
const (
	minLine  = 16 // bytes
	maxLines = 256
)

// formsOf is how a value may be written in a text: each form once, and of at
// least MinSize bytes; none of a value that is shorter.
func formsOf(value string) []string {
	if len(value) < MinSize {
		return nil
	}
	forms := []string{
		value, strings.TrimSpace(value), url.QueryEscape(value), url.PathEscape(value),
		hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))),
		inJSON(value, true), inJSON(value, false),
	}
	forms = append(forms, lines(value)...)
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			forms = append(forms, inBase64(e, value, shift))
		}
	}
	slices.Sort(forms)
	return slices.DeleteFunc(slices.Compact(forms), func(f string) bool { return len(f) < MinSize })
}

// inJSON is a text as it stands between the quotes of a JSON string.
func inJSON(text string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if err := e.Encode(text); err != nil {
		return ""
	}
	quoted := strings.TrimSuffix(b.String(), "\n")
	return quoted[1 : len(quoted)-1]
}

// inBase64 is the part of a base64 text that depends on the value alone, when
// the value begins shift bytes behind a group of three, as a password does in
// the header of basic authentication.
func inBase64(e *base64.Encoding, value string, shift int) string {
	text := e.EncodeToString(append(make([]byte, shift), value...))
	if (shift+len(value))%3 != 0 {
		text = text[:len(text)-1] // it holds bits of what comes behind
	}
	return text[min((8*shift+5)/6, len(text)):] // and those of what comes before
}

// lines are the longer lines of a value that has several.
func lines(value string) []string {
	if !strings.Contains(value, "\n") {
		return nil
	}
	var long []string
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= minLine && len(long) < maxLines {
			long = append(long, line)
		}
	}
	return long
}
