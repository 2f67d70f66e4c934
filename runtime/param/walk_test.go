package param

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// untouched is a walk in which nothing is replaced.
func untouched(raw string) (json.RawMessage, error) {
	return walk(json.RawMessage(raw), func([]string, json.RawMessage) (json.RawMessage, error) { return nil, nil })
}

func TestWalkKeepsWhatIsNotReplaced(t *testing.T) {
	for raw, want := range map[string]string{
		` {"b" : 1, "a": [ 1 , {"c":null} ,[]]} `: `{"b":1,"a":[1,{"c":null},[]]}`,
		`{"<&>é\u00e9\n\"\\/":"<&>\u00e9"}`:       `{"<&>éé\n\"\\/":"<&>\u00e9"}`,
		`{"]":"}","}":"[\\\"]"}`:                  `{"]":"}","}":"[\\\"]"}`,
		`{}`:                                      `{}`, `[]`: `[]`, ` -1.5e3 `: `-1.5e3`, `"x"`: `"x"`, `null`: `null`,
		`[{},[[]],"",0]`: `[{},[[]],"",0]`,
		`{"":{"":""}}`:   `{"":{"":""}}`,
	} {
		if got, err := untouched(raw); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		``, ` `, `{`, `{"a"}`, `[1,]`, `{"a":1}x`, `{"a":1,"a":2}`, `{"x":{"a":1,"\u0061":2}}`, "{\"\xff\":1}", `nul`, `01`,
		`{` + strings.Repeat(`"k":1,`, 40) + `"z":2}`,
	} {
		if got, err := untouched(raw); !fault.Is(err, fault.ConfigInvalid) {
			t.Errorf("%q: %s, %v", raw, got, err)
		}
	}
	if _, err := untouched(`{"x":{"a/b":[{"c":1,"c":2}]}}`); err == nil || fault.Of(err).Fields[0].Pointer != "/x/a~1b/0/c" {
		t.Errorf("twice, deep inside: %+v", err)
	}
}

func TestWalkReplaces(t *testing.T) {
	var paths []string
	got, err := walk(json.RawMessage(`{"a":{"b":[1,2]},"c":"x"}`), func(path []string, raw json.RawMessage) (json.RawMessage, error) {
		paths = append(paths, pointerOf(path))
		if string(raw) == "2" || string(raw) == `"x"` {
			return json.RawMessage(`{"new": true}`), nil
		}
		return nil, nil
	})
	if err != nil || string(got) != `{"a":{"b":[1,{"new": true}]},"c":{"new": true}}` {
		t.Errorf("%s, %v", got, err)
	}
	if seen := strings.Join(paths, " "); seen != " /a /a/b /a/b/0 /a/b/1 /c" {
		t.Errorf("saw %s", seen)
	}
}

// FuzzWalk holds the walk to the decoder of the standard library: what it makes
// of anything is an error, or the same value in compact form.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"\u00e9"}], "c": {}}`, `[]`, `"\\\""`, `{"a":1,"a":2}`, `{"x":`, "{\"\u2028\":1}", `-0.0`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := untouched(string(raw))
		if err != nil {
			return
		}
		var was, is any
		if err := json.Unmarshal(raw, &was); err != nil {
			t.Fatalf("%q is no JSON and became %q", raw, got)
		}
		if err := json.Unmarshal(got, &is); err != nil {
			t.Fatalf("%q became %q: %v", raw, got, err)
		}
		a, _ := json.Marshal(was)
		b, _ := json.Marshal(is)
		if !bytes.Equal(a, b) {
			t.Fatalf("%q became %q", raw, got)
		}
	})
}
