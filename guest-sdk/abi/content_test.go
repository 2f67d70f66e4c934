package abi_test

import (
	"mime"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func TestWhatIsJSON(t *testing.T) {
	for contentType, want := range map[string]bool{
		"": true, "application/json": true, "Application/JSON; charset=utf-8": true, "application/cloudevents+json": true,
		"text/plain": false, "application/jsonl": false, "json": false, "application/json; =": false, "+json/x": false,
		`application/json;a="b;c\"" ; d=e;`: true, `application/json;a="b`: false, "application/json;a=b c": false, "application/json; a = b": true, "+json": false,
		" application/json ": true, "application/x y+json": false, "a/b/c+json": false, "application/json;": true,
	} {
		if got := abi.IsJSON(contentType); got != want {
			t.Errorf("%q: %v", contentType, got)
		}
		if got := isJSON(contentType); got != want {
			t.Errorf("%q: the package mime says %v", contentType, got)
		}
	}
}

// isJSON is IsJSON with the package mime, which lets a type be without a slash.
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && (kind == "application/json" || strings.Contains(kind, "/") && strings.HasSuffix(kind, "+json"))
}

// What is JSON to the package mime is JSON here. The other way round it need not
// be: mime refuses names that come twice, and values of RFC 2231 that it cannot read.
func FuzzIsJSON(f *testing.F) {
	f.Add(`application/json; charset="utf-8";x=y`)
	f.Add("application/vnd.a+json;;")
	f.Fuzz(func(t *testing.T, contentType string) {
		if isJSON(contentType) && !abi.IsJSON(contentType) {
			t.Errorf("%q is not taken for JSON", contentType)
		}
	})
}
