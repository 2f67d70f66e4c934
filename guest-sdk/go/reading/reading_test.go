package reading_test

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

func field(t *testing.T, c reading.Config) *reading.Field {
	t.Helper()
	c.Name = "v"
	s, err := reading.NewSet([]reading.Config{c})
	if err != nil {
		t.Fatal(err)
	}
	return s.Field(0)
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		config reading.Config
		text   string
		want   abi.Value
		wrong  bool
	}{
		{reading.Config{Type: "int"}, " -7 ", abi.Int(-7), false},
		{reading.Config{Type: "uint"}, "-7", abi.Value{}, true},
		{reading.Config{Type: "double"}, "1e3", abi.Double(1000), false},
		{reading.Config{Type: "double"}, "NaN", abi.Value{}, true},
		{reading.Config{Type: "double"}, "Inf", abi.Value{}, true},
		{reading.Config{Type: "bool"}, "true", abi.Bool(true), false},
		{reading.Config{Type: "string"}, " x ", abi.String(" x "), false},
		{reading.Config{}, "42", abi.Int(42), false},
		{reading.Config{}, "4.5", abi.Double(4.5), false},
		{reading.Config{Type: "auto"}, "on", abi.String("on"), false},
		{reading.Config{Scale: new(float64(2))}, "on", abi.Value{}, true},
		{reading.Config{Type: "int", Scale: new(float64(0.5)), Offset: new(float64(1))}, "4", abi.Double(3), false},
	} {
		got, err := field(t, tt.config).Text(tt.text)
		if (err != nil) != tt.wrong || err == nil && got != tt.want {
			t.Errorf("%+v of %q is %v, %v", tt.config, tt.text, got, err)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		config reading.Config
		json   string
		want   abi.Value
		wrong  bool
	}{
		{reading.Config{}, `42`, abi.Int(42), false},
		{reading.Config{}, `4.5`, abi.Double(4.5), false},
		{reading.Config{}, `true`, abi.Bool(true), false},
		{reading.Config{}, `"42"`, abi.String("42"), false},
		{reading.Config{}, `null`, abi.Value{}, true},
		{reading.Config{}, `{"a":1}`, abi.Value{}, true},
		{reading.Config{Type: "string"}, `{"a":1}`, abi.String(`{"a":1}`), false},
		{reading.Config{Type: "int"}, `"42"`, abi.Int(42), false},
		{reading.Config{Type: "int"}, `1e3`, abi.Int(1000), false},
		{reading.Config{Type: "int"}, `42.5`, abi.Value{}, true},
		{reading.Config{Type: "int"}, `true`, abi.Value{}, true},
		{reading.Config{Scale: new(float64(10))}, `"4.2"`, abi.Double(42), false},
	} {
		got, err := field(t, tt.config).JSON([]byte(tt.json))
		if (err != nil) != tt.wrong || err == nil && got != tt.want {
			t.Errorf("%+v of %s is %v, %v", tt.config, tt.json, got, err)
		}
	}
}

func TestConfigs(t *testing.T) {
	for _, bad := range [][]reading.Config{
		{{}},
		{{Name: "a", Type: "float"}},
		{{Name: "a", Kind: "event"}},
		{{Name: "a", Type: "string", Scale: new(float64(1))}},
		{{Name: "a"}, {Name: "a"}},
	} {
		if _, err := reading.NewSet(bad); err == nil || !strings.HasPrefix(err.Error(), "fields[") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestEmit(t *testing.T) {
	s, err := reading.NewSet([]reading.Config{{Name: "a", Unit: "m"}, {Name: "b", Kind: "attribute"}, {Name: "c"}})
	if err != nil {
		t.Fatal(err)
	}
	from := &abi.Record{Device: "d", Time: 7, Key: []byte("k"), SourceKey: "s", Headers: []abi.Header{{Name: "h"}}}
	var step snaprail.Step
	s.Put(0, abi.Int(1))
	s.Put(1, abi.Int(2))
	s.Emit(from, from.Device, from.Time, &step)
	records := step.Outcome().Batch.Records
	if len(records) != 2 || len(records[0].Points) != 1 || records[0].Points[0].Unit != "m" || records[0].SourceKey != "s" ||
		records[1].Kind != abi.KindAttributes || records[1].SourceKey != "s#attributes" || string(records[1].Key) != "k" || len(records[1].Headers) != 1 {
		t.Fatalf("records %+v", records)
	}
	s.Clear()
	s.Emit(from, from.Device, from.Time, &step)
	if len(step.Outcome().Batch.Records) != 2 {
		t.Error("a set without values made a record")
	}
}
