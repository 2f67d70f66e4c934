package abi

import "strings"

// IsJSON reports whether a body of this content type is JSON: application/json,
// or what ends in +json (RFC 6839, section 3.1), with any parameters. A body
// without a type is JSON too. Host and guest ask here, so that what the host has
// judged is what the guest reads.
func IsJSON(contentType string) bool {
	if contentType == "" || contentType == "application/json" {
		return true // what nearly all are
	}
	kind, rest, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	main, sub, two := strings.Cut(kind, "/")
	if !two || !isToken(main) || !isToken(sub) || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return false
	}
	return areParameters(rest)
}

// areParameters reports whether a text is name=value, or more of them with a
// semicolon between (RFC 9110, section 5.6.6). The package mime says the same, and
// would add 150 KB to each guest.
func areParameters(text string) bool {
	for {
		text = strings.TrimSpace(text)
		if text == "" {
			return true
		}
		name, value, given := strings.Cut(text, "=")
		value = strings.TrimSpace(value)
		n := valueLen(value)
		if !given || n == 0 || !isToken(strings.TrimSpace(name)) {
			return false
		}
		text = strings.TrimSpace(value[n:])
		if text != "" && text[0] != ';' {
			return false
		}
		text = strings.TrimPrefix(text, ";")
	}
}

// valueLen is how much of a text is the value of a parameter: a token, or a text in
// quotes; 0: there is none.
func valueLen(text string) int {
	if text == "" || text[0] != '"' {
		n := 0
		for n < len(text) && isTokenByte(text[n]) {
			n++
		}
		return n
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		case '\r', '\n':
			return 0
		}
	}
	return 0
}

// isToken reports whether a text is a token (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	for i := range len(text) {
		if !isTokenByte(text[i]) {
			return false
		}
	}
	return text != ""
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}
