package pointer_test

import (
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/go/pointer"
)

// The document of RFC 6901, and a few more members.
const document = `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,
	"deep": {"list": [ {"id": "x\u0041"} , null, true ]}}`

func TestFind(t *testing.T) {
	for text, want := range map[string]string{
		"/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3", "/g|h": "4",
		"/i\\j": "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8", "/deep/list/0/id": `"x\u0041"`,
	} {
		p, err := pointer.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := p.Find(json.RawMessage(document)); !ok || string(got) != want {
			t.Errorf("%s: %s, %t; want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"/none", "/foo/2", "/foo/-", "/foo/01", "/foo/bar", "/foo/0/x", "/deep/list/1/x"} {
		p, _ := pointer.Parse(text)
		if got, ok := p.Find(json.RawMessage(document)); ok {
			t.Errorf("%s: %s", text, got)
		}
	}
	if _, err := pointer.Parse("foo"); err == nil {
		t.Error("foo is a pointer")
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{"/foo/1": "baz", "/a~1b": "1", "/deep/list/0/id": "xA", "/deep/list/2": "true", "/deep/list/1": "", "/foo": "", "/none": ""} {
		p, _ := pointer.Parse(text)
		if got, ok := p.Text(json.RawMessage(document)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", text, got, ok)
		}
	}
	if p, _ := pointer.Parse(""); p.Set {
		t.Error("nothing is set")
	}
	p, _ := pointer.Parse("/deep/list")
	if list, ok := p.List(json.RawMessage(document)); !ok || len(list) != 3 {
		t.Errorf("%s, %t", list, ok)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("/foo/0", document)
	f.Fuzz(func(t *testing.T, text, doc string) {
		p, err := pointer.Parse(text)
		if err != nil || !json.Valid([]byte(doc)) {
			return
		}
		if got, ok := p.Find(json.RawMessage(doc)); ok && !json.Valid(got) {
			t.Fatalf("%q", got)
		}
	})
}
