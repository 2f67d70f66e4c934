package param_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
)

func text(row spec.Param) (string, error) { return row.Value, nil }

// pointers are those of a refusal.
func pointers(t *testing.T, err error) []string {
	t.Helper()
	var f *fault.Fault
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault", err)
	}
	return at(f.Fields)
}

func at(fields []fault.Field) (list []string) {
	for _, f := range fields {
		list = append(list, f.Pointer)
	}
	return list
}

// TestRowsAreAssembledInOrder: by sequence, then by key; dots make objects.
func TestRowsAreAssembledInOrder(t *testing.T) {
	got, err := param.Assemble([]spec.Param{
		{Key: "zone", Value: "eu", Sequence: 30},
		{Key: "installed.client_id", Value: "id", Sequence: 10},
		{Key: "b", Value: "2", Sequence: 20},
		{Key: "a", Value: "1", Sequence: 20},
		{Key: "installed.auth.uri", Value: "https://x?a=1&b=<2>", Sequence: 40},
	}, text)
	want := `{"installed":{"client_id":"id","auth":{"uri":"https://x?a=1&b=<2>"}},"a":"1","b":"2","zone":"eu"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestRowsThatCannotStandTogetherAreRefused(t *testing.T) {
	for name, keys := range map[string][]string{
		"a value that holds others": {"a", "a.b"},
		"deeper":                    {"x.y.z", "x.y"},
		"twice":                     {"a", "a"},
	} {
		rows := make([]spec.Param, len(keys))
		for i, key := range keys {
			rows[i] = spec.Param{Key: key, Value: "v", Sequence: 10}
		}
		if _, err := param.Assemble(rows, text); !fault.Is(err, fault.ConfigInvalid) || len(pointers(t, err)) != 1 {
			t.Errorf("%s: assembled, %v", name, err)
		}
		if bad := param.Check(rows, "/params"); len(bad) != 1 || !strings.HasSuffix(bad[0].Pointer, "/key") {
			t.Errorf("%s: Check says %v", name, bad)
		}
	}
}

func TestCheckNamesEachRowThatIsWrong(t *testing.T) {
	for want, row := range map[string]spec.Param{
		"/params/0/key":        {Key: ""},
		"/params/0/value_type": {Key: "a", Type: "number"},
		"/params/0/file_id":    {Key: "a", FileID: "fil_1"},
		"/params/0/value":      {Key: "a", Type: spec.ParamFile, Value: "x"},
		"/params/0/encoding":   {Key: "a", Encoding: "base64"},
		"/params/0/sequence":   {Key: "a", Sequence: 10_000_000},
	} {
		if got := at(param.Check([]spec.Param{row}, "/params")); !slices.Equal(got, []string{want}) {
			t.Errorf("%+v: got %v, want %s", row, got, want)
		}
	}
	for _, key := range []string{strings.Repeat("k", 256), "a..b", ".a", "a.", "a b. c", "a\nb", "\xff", "$secret", "/a", strings.Repeat("a.", 16) + "a"} {
		if got := at(param.Check([]spec.Param{{Key: key}}, "")); !slices.Equal(got, []string{"/0/key"}) {
			t.Errorf("the key %q: %v", key, got)
		}
	}
	if bad := param.Check([]spec.Param{{Key: strings.Repeat("k", 255)}, {Key: "installed.client-id$1 ü"}}, ""); bad != nil {
		t.Errorf("good keys: %v", bad)
	}
	if bad := param.Check(make([]spec.Param, 501), "/params"); !slices.Equal(at(bad), []string{"/params"}) {
		t.Errorf("501 rows: %v", bad)
	}
	big := []spec.Param{{Key: "a", Value: strings.Repeat("x", 64<<10)}, {Key: "b", Value: strings.Repeat("x", 64<<10)}, {Key: "c", Value: "x"}}
	if bad := param.Check(big, ""); !slices.Equal(at(bad), []string{""}) {
		t.Errorf("large rows: %v", bad)
	}
}

// TestErrorsOfValuesPointIntoTheConfig: all of them come at once.
func TestErrorsOfValuesPointIntoTheConfig(t *testing.T) {
	_, err := param.Assemble([]spec.Param{{Key: "a.b"}, {Key: "c~/d"}, {Key: "e", Value: "x"}}, func(row spec.Param) (string, error) {
		if row.Value == "" {
			return "", fault.New(fault.ConfigInvalid, "has no file")
		}
		return row.Value, nil
	})
	if got := pointers(t, err); !slices.Equal(got, []string{"/a/b", "/c~0~1d"}) {
		t.Errorf("got %v", got)
	}
	if _, err := param.Assemble([]spec.Param{{Key: "a"}}, func(spec.Param) (string, error) { return "", os.ErrClosed }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("another error became %v", err)
	}
}

func TestFlattenKeepsOrderAndWhatItCannotName(t *testing.T) {
	rows, err := param.Flatten(json.RawMessage(`{"z": 1, "a": {"b.c": {"d": "x"}}, "l": [1, {"x": 2}], "o": {}, "t": " text ", "n": null, "i": {"k": true}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, row := range rows {
		got = append(got, row.Key+"="+row.Value)
		if row.Sequence != 10*(i+1) || row.Type != spec.ParamText {
			t.Errorf("row %d is %+v", i, row)
		}
	}
	want := []string{"z=1", `a={"b.c":{"d":"x"}}`, `l=[1,{"x":2}]`, "o={}", "t= text ", "n=null", "i.k=true"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for config, pointer := range map[string]string{
		`{"a.b":1}`: "/a.b", `{"":1}`: "/", `[]`: "", `{"a":1,"a":2}`: "/a", `{"a":{"b":1,"b":2}}`: "/a/b", `{"a":`: "", `{} {}`: "", "{\"a\":\"\xff\"}": "",
	} {
		if _, err := param.Flatten(json.RawMessage(config)); !fault.Is(err, fault.ConfigInvalid) || pointers(t, err)[0] != pointer {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// TestFlattenThenAssembleIsTheSame: for all that rows can express.
func TestFlattenThenAssembleIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := nested(t, 4)
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := param.Flatten(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if bad := param.Check(rows, ""); bad != nil {
			t.Fatalf("%s: %v", raw, bad)
		}
		slices.Reverse(rows)
		same(t, rows, want)
	})
}

func same(t interface {
	Fatalf(format string, args ...any)
}, rows []spec.Param, want map[string]any,
) {
	config, err := param.Assemble(rows, text)
	if err != nil {
		t.Fatalf("%v: %v", rows, err)
	}
	var got map[string]any
	if err := json.Unmarshal(config, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %s, %v\nwant %v", config, err, want)
	}
}

// nested is an object of objects and texts, with at least one member each.
func nested(t *rapid.T, depth int) map[string]any {
	o := map[string]any{}
	for name := range rapid.MapOfN(rapid.StringMatching(`[a-zA-Z0-9_~/ü$-][a-zA-Z0-9_~/ü -]{0,3}[a-z]`), rapid.Bool(), 1, 3).Draw(t, "names") {
		if strings.HasPrefix(name, "/") {
			name = "x" + name
		}
		if depth > 1 && rapid.Bool().Draw(t, "inner") {
			o[name] = nested(t, depth-1)
		} else {
			o[name] = rapid.String().Draw(t, "text")
		}
	}
	return o
}

func itoa(n int) string { return strconv.Itoa(n) }

func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`{"a":{"b":"c","d":[1,{"e":null}]},"f":{"g.h":1},"i":""}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		rows, err := param.Flatten(config)
		if err != nil {
			if !fault.Is(err, fault.ConfigInvalid) && !fault.Is(err, fault.TooLarge) {
				t.Fatal(err)
			}
			return
		}
		if bad := param.Check(rows, ""); bad != nil {
			t.Fatalf("flattened rows are wrong: %v", bad)
		}
		raw, err := param.Assemble(rows, text)
		if err != nil {
			t.Fatalf("%v: %v", rows, err)
		}
		again, err := param.Flatten(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if !slices.EqualFunc(rows, again, func(a, b spec.Param) bool { return a.Key == b.Key && a.Value == b.Value }) {
			t.Fatalf("%s\nbecame %v\nthen %v", config, rows, again)
		}
	})
}

func FuzzAssemble(f *testing.F) {
	f.Add("a.b=1\na.c=2\nd=3")
	f.Fuzz(func(t *testing.T, lines string) {
		var rows []spec.Param
		for line := range strings.Lines(lines) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			rows = append(rows, spec.Param{Key: key, Value: value, Sequence: len(value)})
		}
		good := param.Check(rows, "") == nil
		raw, err := param.Assemble(rows, text)
		if good != (err == nil) {
			t.Fatalf("Check and Assemble differ on %v: %v", rows, err)
		}
		if err == nil && !json.Valid(raw) {
			t.Fatalf("%v became %s", rows, raw)
		}
	})
}
