package abi_test

import (
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

var formats = []struct {
	template string
	want     string // with the parameters A and B
}{
	{"", ""},
	{"no parameters", "no parameters"},
	{"{0} and {1}", "A and B"},
	{"{1}{0}{1}", "BAB"},
	{"{2} is beyond {1}", "{2} is beyond B"},
	{"{99999999999999999999}", "{99999999999999999999}"},
	{"{-1} {+1} {x} {} { 0 }", "{-1} {+1} {x} {} { 0 }"},
	{"{{0}}", "{A}"},
	{"{0", "{0"},
	{"0}", "0}"},
	{"{\"a\":{0}}", "{\"a\":A}"},
}

func TestFormat(t *testing.T) {
	for _, c := range formats {
		if got := abi.Format(c.template, []string{"A", "B"}); got != c.want {
			t.Errorf("%q became %q, want %q", c.template, got, c.want)
		}
	}
	if got := abi.Format("{0}", []string{"{1}", "x"}); got != "{1}" {
		t.Errorf("a parameter was taken for a template: %q", got)
	}
}

func TestErrorsWithATemplateHaveAText(t *testing.T) {
	template := abi.Error{Template: "no register {0}", Parameters: []string{"7"}}
	tests := []struct {
		err  abi.Error
		want string
	}{
		{template, "no register 7"},
		{abi.Error{Code: "c", Template: template.Template, Parameters: template.Parameters}, "c: no register 7"},
		{abi.Error{Code: "c", Text: "its own", Template: template.Template}, "c: its own"},
		{abi.Error{Code: "c"}, "c"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestEachTypeOfMessageHasAnEntryPoint(t *testing.T) {
	want := []string{abi.EntryOnPublish, abi.EntryOnQuery, abi.EntryOnRPC, abi.EntryOnCommand, abi.EntryOnAttributes, ""}
	for i, entry := range want {
		if got := abi.EntryFor(abi.MessageType(i)); got != entry {
			t.Errorf("type %d: %q, want %q", i, got, entry)
		}
	}
}

func TestStatusesHaveTheSourcesCodes(t *testing.T) {
	want := map[abi.ReplyStatus]uint32{
		abi.ReplyComplete: 200, abi.ReplyPartial: 206, abi.ReplyEmpty: 204, abi.ReplyError: 0, 77: 0,
	}
	for status, code := range want {
		if got := status.Code(); got != code {
			t.Errorf("status %d: %d, want %d", status, got, code)
		}
	}
}

func TestJobAnswerIsTheFirstReplyWithoutACorrelation(t *testing.T) {
	replies := []abi.Reply{{Correlation: "c", Body: []byte("no")}, {Body: []byte("yes")}, {Body: []byte("late")}}
	if got := abi.JobAnswer(replies); string(got) != "yes" {
		t.Errorf("%q", got)
	}
	if got := abi.JobAnswer(replies[:1]); got != nil {
		t.Errorf("%q, want none", got)
	}
}

// TestClonesOutliveTheirInput: what a guest keeps to answer later must not change
// with the buffer that it came in.
func TestClonesOutliveTheirInput(t *testing.T) {
	want := abi.Message{
		Type: abi.MessageCommand, Correlation: "c", Device: "d", Method: "m", ContentType: "t", Body: []byte("body"),
		Deadline: 7, Headers: []abi.Header{{Name: "n", Value: []byte("v")}}, Metadata: []byte("meta"), Sender: "s", Via: []string{"a"},
	}
	src := want.Append(nil)
	var m abi.Message
	if err := m.Decode(src); err != nil {
		t.Fatal(err)
	}
	clone := m.Clone()
	for i := range src {
		src[i] = 0xAA
	}
	if err := m.Decode(nil); err != nil {
		t.Fatal(err)
	}
	m.Headers, m.Via = append(m.Headers, abi.Header{Name: "x"}), append(m.Via, "x")
	if !reflect.DeepEqual(*clone, want) {
		t.Errorf("the clone became %+v", clone)
	}
}
