package catalog

import (
	"errors"
	"strings"
	"time"
)

// duration checks the format of that name, as a config may have it: in the form
// of Go and of our own limits (1m30s, 250ms), or in that of ISO 8601 (PT1M30S),
// which is the one that JSON Schema knows. None is below zero. What the module
// itself reads is the module's affair: its schema says so with a pattern.
func duration(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil // of what is no text, type is to say it
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 || isISODuration(s) {
		return nil
	}
	return errors.New("want a duration such as 1m30s or PT1M30S")
}

// isISODuration reports whether a text is a duration as appendix A of RFC 3339
// has it: P, then years, months and days, then T with hours, minutes and
// seconds, or P with weeks alone; at least one of them, whole numbers all.
func isISODuration(s string) bool {
	rest, ok := strings.CutPrefix(s, "P")
	date, clock, timed := strings.Cut(rest, "T")
	switch {
	case !ok || rest == "" || timed && clock == "":
		return false
	case !timed && amounts(date, "W"):
		return true
	}
	return amounts(date, "YMD") && amounts(clock, "HMS")
}

// amounts reports whether a text is made of numbers, each with another of the
// units, in their order; of none at all is well.
func amounts(s, units string) bool {
	for s != "" {
		unit := strings.TrimLeft(s, "0123456789")
		if unit == "" || unit == s {
			return false
		}
		i := strings.IndexByte(units, unit[0])
		if i < 0 {
			return false
		}
		units, s = units[i+1:], unit[1:]
	}
	return true
}
