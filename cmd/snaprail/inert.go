package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// inert is a writer of text of which nothing drives a terminal, whoever it
// comes from: control characters, and those that reorder text, are written as
// \u and four digits, which is the same text where it stands in JSON. Line ends
// and tabs stay. All that a command writes goes through one, so that none can
// forget it; a pipe gets the same as a terminal, since it may lead to one. Use
// by several goroutines is safe.
type inert struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte // the start of a character whose end has not come
}

// Write writes p, and keeps back a character that has not come whole.
func (w *inert) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.rest) > 0 {
		text = slices.Concat(w.rest, p)
	}
	cut := len(text) - unfinished(text)
	w.rest = slices.Clone(text[cut:])
	if _, err := w.to.Write(harmless(text[:cut])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfinished is how many bytes at the end may be the start of a character.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// harmless is text with everything written out that is hidden, and bytes that
// are no text replaced.
func harmless(text []byte) []byte {
	s := string(text)
	if utf8.ValidString(s) && !strings.ContainsFunc(s, drives) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for _, r := range s {
		if drives(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// drives reports whether a character may do something to a terminal.
func drives(r rune) bool { return r != '\n' && r != '\t' && hidden(r) }
