package template_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/template"
)

func TestMap(t *testing.T) {
	var rows []template.Update
	if err := json.Unmarshal([]byte(`[{"attributeOnThingsBoard":"a","stringToDevice":"A${a}${b}${c}"},
		{"attribute":"b","template":"B${b}"},{"attribute":"z","template":"Z"}]`), &rows); err != nil {
		t.Fatal(err)
	}
	for update, want := range map[string]string{
		`{"a":1,"b":"x"}`:           "a A1x${c}|b Bx",
		`{"a":{"d":[1]},"b":"\n"}`:  "a !${b}|b !${b}",
		`{"a":null,"c":true}`:       "a Anull${b}true",
		`{"q":1}`:                   "",
		`{"b":"${a}","a":"${b}"}`:   "a A${b}${a}${c}|b B${a}", // once
		`{"z":0,"b":4.50,"x":"\n"}`: "b B4.50|z Z",
	} {
		texts, err := template.Map(rows, []byte(update))
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, one := range texts {
			text := one.Text
			if one.Err != nil {
				_, text, _ = strings.Cut(one.Err.Error(), "the value of ")
				text, _, _ = strings.Cut(text, " ")
				text = "!" + text
			}
			all = append(all, one.Attribute+" "+text)
		}
		if got := strings.Join(all, "|"); got != want {
			t.Errorf("%s became %s, want %s", update, got, want)
		}
	}
	if _, err := template.Map(rows, []byte(`[1]`)); err == nil {
		t.Error("a list is taken for an update")
	}
	for _, bad := range []string{`{"attribute":"a"}`, `{"template":"a"}`, `1`} {
		var row template.Update
		if json.Unmarshal([]byte(bad), &row) == nil {
			t.Errorf("%s is taken for a row", bad)
		}
	}
}

func TestFill(t *testing.T) {
	m := &abi.Message{Method: "m", Device: "d", Body: []byte(`{"a":{"b":2},"s":"x","n":"\u0007"}`)}
	for text, want := range map[string]string{
		"${method} ${device} ${a.b}${s}": "m d 2x", "${a}": `{"b":2}`, "plain": "plain",
		"${n}": "!control", "${q}": "!no such member", "${s.t}": "!no such member", "${body}": `{"a":{"b":2},"s":"x","n":"\u0007"}`,
	} {
		got, err := template.Fill(text, m)
		if word, wrong := strings.CutPrefix(want, "!"); wrong != (err != nil) || wrong && !strings.Contains(err.Error(), word) || !wrong && got != want {
			t.Errorf("%s became %q, %v", text, got, err)
		}
	}
}
