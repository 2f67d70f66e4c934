package catalog

import (
	"cmp"
	"strings"
)

// newer orders two semantic versions as semver.org 2.0.0 does: negative when a
// is older. Both are valid. Those that differ in build metadata alone, which
// have no order there, are ordered by it, so that there is one newest.
func newer(a, b string) int {
	a, buildA, _ := strings.Cut(a, "+")
	b, buildB, _ := strings.Cut(b, "+")
	coreA, preA, isPreA := strings.Cut(a, "-")
	coreB, preB, isPreB := strings.Cut(b, "-")
	if c := identifiers(coreA, coreB); c != 0 {
		return c
	}
	switch {
	case isPreA && !isPreB:
		return -1
	case !isPreA && isPreB:
		return 1
	}
	if c := identifiers(preA, preB); c != 0 {
		return c
	}
	return cmp.Compare(buildA, buildB)
}

// identifiers compares what is between the dots, one by one; when all are
// equal, more of them are newer.
func identifiers(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := identifier(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// identifier compares numbers as numbers, whatever their size, and puts them
// before words.
func identifier(a, b string) int {
	switch numberA, numberB := isNumber(a), isNumber(b); {
	case numberA && numberB:
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) // no number starts with 0
	case numberA:
		return -1
	case numberB:
		return 1
	}
	return cmp.Compare(a, b)
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// isRelease reports whether a version is no pre-release.
func isRelease(v string) bool {
	core, _, _ := strings.Cut(v, "+")
	return !strings.Contains(core, "-")
}
