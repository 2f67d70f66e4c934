package hooks

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// The form of resources: path:/orders/*.
const (
	scheme  = "path:"
	maxPath = 512 // bytes
	one     = "*"
	rest    = "**"
)

var errResource = errors.New("want path:/orders/*, where a star is one part of a path, and two at the end are all the rest")

// checkPath says what is wrong with a pattern of paths.
func checkPath(pattern string) error {
	parts := strings.Split(pattern, "/")
	if !plain(pattern) || strings.ContainsAny(pattern, "?#% ") {
		return errResource
	}
	for i, part := range parts[1:] {
		if part == rest && i == len(parts)-2 || part == one {
			continue
		}
		if strings.Contains(part, one) {
			return errors.New("a star stands for a whole part of a path: /orders/*, and ** at its end")
		}
	}
	return nil
}

// plain reports whether a decoded path has one reading, whoever reads it: it
// begins with a slash, and holds no empty part but the last, no dots that climb, no
// backslash and no control character.
func plain(path string) bool {
	if path == "" || path[0] != '/' || len(path) > maxPath || !utf8.ValidString(path) {
		return false
	}
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == 0x7f || c == '\\' {
			return false
		}
	}
	parts := strings.Split(path[1:], "/")
	for i, part := range parts {
		if part == "." || part == ".." || part == "" && i < len(parts)-1 {
			return false
		}
	}
	return true
}

// unambiguous reports whether a path as it was sent is the same one to whoever
// decodes it early and to whoever does late: it hides no slash, dot or percent
// sign.
func unambiguous(u *url.URL) bool {
	sent := strings.ToLower(u.EscapedPath())
	for _, hidden := range []string{"%2f", "%5c", "%2e", "%25", "%00"} {
		if strings.Contains(sent, hidden) {
			return false
		}
	}
	return true
}

// matches reports whether a pattern stands for a path.
func matches(pattern, path string) bool {
	for {
		p, pRest, pMore := strings.Cut(pattern, "/")
		if p == rest && !pMore {
			return true
		}
		part, pathRest, more := strings.Cut(path, "/")
		if p != part && (p != one || part == "") || pMore != more {
			return false
		}
		if !more {
			return true
		}
		pattern, path = pRest, pathRest
	}
}

// covers reports whether a pattern stands for all that another does.
func covers(pattern, other string) bool {
	for {
		p, pRest, pMore := strings.Cut(pattern, "/")
		if p == rest && !pMore {
			return true
		}
		o, oRest, oMore := strings.Cut(other, "/")
		if o == rest && !oMore || p != o && (p != one || o == "") || pMore != oMore {
			return false
		}
		if !oMore {
			return true
		}
		pattern, other = pRest, oRest
	}
}
