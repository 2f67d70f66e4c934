package param_test

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/param"
)

func TestTooDeep(t *testing.T) {
	nested := func(n int, open, in, end string) string {
		return strings.Repeat(open, n) + in + strings.Repeat(end, n)
	}
	for text, want := range map[string]bool{
		nested(param.MaxJSONDepth, `{"a":`, "1", "}"):          false,
		nested(param.MaxJSONDepth+1, `{"a":`, "1", "}"):        true,
		nested(param.MaxJSONDepth+1, "[", "", "]"):             true,
		"[" + strings.Repeat("[],", 100) + "1]":                false,
		`{"a":"` + strings.Repeat("[", 100) + `"}`:             false,
		`{"a":"\\\"` + strings.Repeat("{", 100) + `"}`:         false,
		`{"a":"\\",` + `"b":` + nested(40, "[", "", "]") + "}": true,
		strings.Repeat("[", 100_000):                           true,
		"":                                                     false,
	} {
		if got := param.TooDeep([]byte(text)); got != want {
			t.Errorf("%.60s: %v, want %v", text, got, want)
		}
	}
}
