package main

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestStatements: S1.66 and S1.86, in the words of the source.
func TestStatements(t *testing.T) {
	for text, want := range map[string][2]string{
		`SELECT * FROM SOURCE pump`:                               {"pump", `{}`},
		`select * from source pump with a=1;`:                     {"pump", `{"a":1}`},
		`SELECT * FROM SOURCE "my pump" WITH p = 'it', q="a,b"`:   {"my pump", `{"p":"it","q":"a,b"}`},
		`SELECT * FROM SOURCE p-1.x WITH o={"a":[1,2]},b = false`: {"p-1.x", `{"b":false,"o":{"a":[1,2]}}`},
		"SELECT * FROM SOURCE `with` WITH n = -1.5e3 ,m=null":     {"with", `{"m":null,"n":-1.5e3}`},
	} {
		source, params, err := selectStatement(text)
		if err != nil || source != want[0] || string(params) != want[1] {
			t.Errorf("%s: %q %s %v", text, source, params, err)
		}
	}
	for _, text := range []string{
		"SELECT a FROM SOURCE pump", "SELECT * FROM pump", "SELECT * FROM SOURCE", "SELECT * FROM SOURCE pump WITH", "SELECT * FROM SOURCE pump WITH a",
		"SELECT * FROM SOURCE pump WITH a=", "SELECT * FROM SOURCE pump WITH a=b", "SELECT * FROM SOURCE pump WITH a=1 b=2", "SELECT * FROM SOURCE pump WITH a='x",
		"SELECT * FROM SOURCE pump WITH a=1, a=2", "SELECT * FROM SOURCEpump", "SELECT * FROM SOURCE pump WITHa=1", "SELECT * FROM SOURCE pump else", `SELECT * FROM SOURCE "pump`,
		"SELECT * FROM SOURCE pump WITH a=1,", "SELECT * FROM SOURCE pump WITH ''=1",
	} {
		if _, _, err := selectStatement(text); !fault.Is(err, fault.Usage) {
			t.Errorf("%s: %v", text, err)
		}
	}
	source, message, err := publishStatement(`PUBLISH {"text": "to source x"} TO SOURCE pump`)
	if err != nil || source != "pump" || string(message) != `{"text": "to source x"}` {
		t.Errorf("%q %s %v", source, message, err)
	}
	for _, text := range []string{"PUBLISH", "PUBLISH {} TO pump", "PUBLISH x TO SOURCE pump", "PUBLISH {} TO SOURCE pump now"} {
		if _, _, err := publishStatement(text); !fault.Is(err, fault.Usage) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzStatement(f *testing.F) {
	f.Add(`SELECT * FROM SOURCE pump WITH a = 1, b = 'x'`)
	f.Add(`PUBLISH {"a": [1]} TO SOURCE "x"`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []string{"query", "publish"} {
			source, _, err := statementOf(read)(text)
			if (err == nil) != (source != "") {
				t.Errorf("%q: %q %v", text, source, err)
			}
		}
	})
}
