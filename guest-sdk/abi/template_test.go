package abi_test

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func TestExpand(t *testing.T) {
	values := map[string]string{"a": "1", "b c": "2", "self": "${a}", "": "empty"}
	for template, want := range map[string]string{
		"":              "",
		"plain":         "plain",
		"${a}":          "1",
		"x${a}y${b c}z": "x1y2z",
		"${self}":       "${a}", // once
		"${d} ${a}":     "${d} 1",
		"${${a}":        "${1",
		"${}":           "empty",
		"$a {a} ${a":    "$a {a} ${a",
		"${d":           "${d",
		"}${a}{":        "}1{",
	} {
		got := abi.Expand(template, func(name string) (string, bool) {
			v, ok := values[name]
			return v, ok
		})
		if got != want {
			t.Errorf("%q gave %q, want %q", template, got, want)
		}
	}
}
