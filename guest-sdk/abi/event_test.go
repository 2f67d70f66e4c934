package abi_test

import (
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func frames(n int) *abi.Events {
	e := new(abi.Events)
	for i := range n {
		e.Events = append(e.Events, abi.Event{
			Handle: 1, Time: 1_750_000_000_000_000_000 + int64(i), Name: "frame", Data: []byte("422498\n"),
		})
	}
	return e
}

// TestWarmEventsDoNotAllocate is what keeps a guest in event mode off its
// collector.
func TestWarmEventsDoNotAllocate(t *testing.T) {
	e := frames(abi.MaxItems)
	src := e.Append(nil)
	dst := make([]byte, 0, len(src)+16)
	var got abi.Events
	if err := got.Decode(src); err != nil || !reflect.DeepEqual(got, *e) {
		t.Fatalf("%v, %+v", err, got)
	}
	if n := testing.AllocsPerRun(20, func() { _ = got.Decode(src) }); n != 0 {
		t.Errorf("Decode allocates %v times", n)
	}
	if n := testing.AllocsPerRun(20, func() { e.Append(dst) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

// TestMessagesOutliveTheNextEvents: a guest may keep a message to answer it
// later.
func TestMessagesOutliveTheNextEvents(t *testing.T) {
	first := abi.Events{Events: []abi.Event{{
		Type: abi.EventMessage, Message: &abi.Message{Method: "first"}, Err: &abi.Error{Code: "first"},
	}}}
	second := abi.Events{Events: []abi.Event{{
		Type: abi.EventMessage, Message: &abi.Message{Method: "second"}, Err: &abi.Error{Code: "second"},
	}}}
	var got abi.Events
	if err := got.Decode(first.Append(nil)); err != nil {
		t.Fatal(err)
	}
	kept, fault := got.Events[0].Message, got.Events[0].Err
	if err := got.Decode(second.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if kept.Method != "first" || fault.Code != "first" {
		t.Errorf("became %s, %s", kept.Method, fault.Code)
	}
}

func TestAFaultLeavesNoEvents(t *testing.T) {
	src := frames(2).Append(nil)
	var got abi.Events
	if err := got.Decode(src[:len(src)-1]); err == nil || len(got.Events) != 0 {
		t.Errorf("%v with %d events", err, len(got.Events))
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  abi.Error
		want string
	}{
		{abi.Error{Text: "no such port"}, "no such port"},
		{abi.Error{Code: "port_missing", Text: "no such port"}, "port_missing: no such port"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestValuesAnswerOnlyForTheirForm(t *testing.T) {
	all := map[abi.ValueType]abi.Value{
		abi.ValueNone: {}, abi.ValueBool: abi.Bool(true), abi.ValueInt: abi.Int(-1), abi.ValueUint: abi.Uint(2),
		abi.ValueDouble: abi.Double(0.5), abi.ValueString: abi.String("s"), abi.ValueBytes: abi.Bytes([]byte("b")),
	}
	for form, v := range all {
		if v.Type() != form {
			t.Errorf("form %d says it is %d", form, v.Type())
		}
		got := []bool{
			v.Bool(), v.Int() == -1, v.Uint() == 2, v.Double() == 0.5, v.String() == "s", string(v.Bytes()) == "b",
		}
		want := make([]bool, 6)
		if form != abi.ValueNone {
			want[form-abi.ValueBool] = true
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("form %d answers %v", form, got)
		}
	}
}
