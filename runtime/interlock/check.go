package interlock

import (
	"fmt"
	"math"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of one interlock.
const (
	maxRules    = 256
	maxHours    = 32
	maxRequires = 32
	maxText     = 256 // bytes of a tag, a method, a pointer
)

// Check says what is wrong with an interlock: wrong is told each fault with the
// JSON Pointer to it, which begins with at.
func Check(at string, lock *spec.Interlock, wrong func(pointer, format string, args ...any)) {
	switch {
	case len(lock.Tags) > maxRules:
		wrong(at+"/tags", "has at most %d entries", maxRules)
	case len(lock.Hours) > maxHours:
		wrong(at+"/hours", "has at most %d entries", maxHours)
	case len(lock.Requires) > maxRequires:
		wrong(at+"/requires", "has at most %d entries", maxRequires)
	default:
		checkParts(at, lock, wrong)
	}
}

func checkParts(at string, lock *spec.Interlock, wrong func(pointer, format string, args ...any)) {
	for i := range lock.Tags {
		checkRule(fmt.Sprintf("%s/tags/%d", at, i), &lock.Tags[i], wrong)
	}
	for i, text := range lock.Hours {
		if _, err := parseSpan(text); err != nil {
			wrong(fmt.Sprintf("%s/hours/%d", at, i), "%s", err)
		}
	}
	if _, err := zoneOf(lock.Zone); err != nil {
		wrong(at+"/zone", "is no time zone (as in Europe/Berlin)")
	}
	for i := range lock.Requires {
		checkRequirement(fmt.Sprintf("%s/requires/%d", at, i), &lock.Requires[i], wrong)
	}
}

func checkRule(at string, r *spec.TagRule, wrong func(pointer, format string, args ...any)) {
	if _, err := path.Match(r.Tag, ""); err != nil || r.Tag == "" {
		wrong(at+"/tag", "is a tag, or a pattern of tags (as in valve*)")
	}
	for name, text := range map[string]string{"tag": r.Tag, "method": r.Method, "value": r.Value, "tag_at": r.TagAt} {
		if badText(text) {
			wrong(at+"/"+name, "has at most %d bytes, none of them a control character", maxText)
		}
	}
	for name, pointer := range map[string]string{"value": r.Value, "tag_at": r.TagAt} {
		switch {
		case pointer != "" && !strings.HasPrefix(pointer, "/"):
			wrong(at+"/"+name, "is a JSON Pointer (as in /params/value)")
		case pointer != "" && r.Method == "":
			wrong(at+"/"+name, "is for rules with a method; attributes have their own names and values")
		}
	}
	if r.Method != "" && r.TagAt == "" && strings.ContainsAny(r.Tag, `*?[\`) {
		wrong(at+"/tag", "is a pattern, and the rule does not say where the method names its tag: see tag_at")
	}
	checkRange(at, r.Min, r.Max, wrong)
	if r.Step != nil && (!(*r.Step >= 0) || math.IsInf(*r.Step, 0)) {
		wrong(at+"/step", "is a number that is not negative")
	}
	if p := r.PerMinute; p != 0 && !(p >= 1.0/60 && p <= maxTimes) {
		wrong(at+"/per_minute", "is from 1/60, which is once an hour, to %d", maxTimes)
	}
}

func checkRequirement(at string, r *spec.Requirement, wrong func(pointer, format string, args ...any)) {
	if r.Tag == "" {
		wrong(at+"/tag", "is empty")
	}
	for name, text := range map[string]string{"tag": r.Tag, "device": r.Device, "equals": r.Equals} {
		if badText(text) {
			wrong(at+"/"+name, "has at most %d bytes, none of them a control character", maxText)
		}
	}
	if r.MaxAge < 0 {
		wrong(at+"/max_age", "is negative")
	}
	checkRange(at, r.Min, r.Max, wrong)
}

func checkRange(at string, least, most *float64, wrong func(pointer, format string, args ...any)) {
	if least != nil && most != nil && *least > *most {
		wrong(at+"/max", "is less than min")
	}
}

func badText(text string) bool {
	return len(text) > maxText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl)
}
