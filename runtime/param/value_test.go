package param_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/param"
)

// FuzzValue: what is plain is decoded just as the standard library does it, and
// so are the members of an object.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, `true`, `-1.50e3`, `"a\u00e9\n\"b"`, ` { "a" : [ 1 , {"b":null} , "x,]}" ] , "c\\" : false } `,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, "\"\xff\"", `{"a":1`, ``, `[1,]`, `"\ud800"`, strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, plain := param.Value(raw)
		members, object := param.Object(raw)
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); (err != nil || !json.Valid(raw)) && (plain || object) {
			t.Fatalf("taken, and it is not JSON: %q", raw)
		}
		if plain && !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
		var each map[string]json.RawMessage
		_ = json.Unmarshal(raw, &each)
		if object && !maps.EqualFunc(members, each, sameText) {
			t.Errorf("got %q, want %q", members, each)
		}
	})
}

// sameText reports whether two texts differ in blanks alone.
func sameText(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// TestValueIsNotShy: the usual texts are plain, and those that could be read in
// two ways are not.
func TestValueIsNotShy(t *testing.T) {
	for text, want := range map[string]bool{
		`{"host":"a","port":1,"list":[1,"2",null,{"x":true}]}`: true,
		` [ 1 ] `: true, `"ü"`: true,
		`{"a":1,"a":2}`: false, `[{"a":1,"\u0061":2}]`: false, "\"\xff\"": false, `{`: false, ``: false,
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000): false,
	} {
		if _, plain := param.Value(json.RawMessage(text)); plain != want {
			t.Errorf("%.60s: %t", text, plain)
		}
	}
	if _, plain := param.Object(json.RawMessage(`[1]`)); plain {
		t.Error("a list is an object")
	}
}
