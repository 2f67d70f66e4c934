package abi_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestHostReadsWhatTheGuestAsksFor writes an Outcome, the guest's form, and
// reads it as an OutcomeView, the host's.
func TestHostReadsWhatTheGuestAsksFor(t *testing.T) {
	want := abi.OutcomeView{
		Batch:      readings(3).Append(nil),
		Verdicts:   []abi.Verdict{{Input: 1, Decision: abi.DecisionRetry, Reason: "busy", RetryAfterMS: 10}},
		Cursor:     []byte{},
		Timers:     []abi.Timer{{Name: "tick", AfterMS: 1, EveryMS: 2}},
		Devices:    []abi.DeviceChange{{Change: abi.ChangeRemove, ID: "d"}},
		Replies:    []abi.Reply{{Correlation: "c", Status: abi.ReplyError, Err: &abi.Error{Kind: abi.FaultTimeout}}},
		NextPollMS: 5,
		Jobs:       []abi.Job{{Name: "sweep", TimeoutMS: 9}},
		Tickets:    []abi.Ticket{{Handle: 2, Number: 1 << 40}},
	}
	guest := abi.Outcome{
		Batch: *readings(3), Verdicts: want.Verdicts, Cursor: want.Cursor, Timers: want.Timers,
		Devices: want.Devices, Replies: want.Replies, NextPollMS: want.NextPollMS, Jobs: want.Jobs, Tickets: want.Tickets,
	}
	src := guest.Append(nil)
	if !bytes.Equal(src, want.Append(nil)) {
		t.Error("the two forms write different bytes")
	}
	var got abi.OutcomeView
	if err := got.Decode(src); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

func TestOutcomeOfNothingIsEmpty(t *testing.T) {
	if src := new(abi.Outcome).Append(nil); len(src) != 0 {
		t.Errorf("wrote %x", src)
	}
	var got abi.OutcomeView
	if err := got.Decode(nil); err != nil || got.Batch != nil || got.Cursor != nil {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestCountsAreBounded(t *testing.T) {
	tests := []struct {
		name  string
		m     message
		field protowire.Number
		bound int
	}{
		{"verdicts", new(abi.OutcomeView), 2, abi.MaxItems},
		{"timers", new(abi.OutcomeView), 4, abi.MaxRequests},
		{"device changes", new(abi.OutcomeView), 5, abi.MaxRequests},
		{"replies", new(abi.OutcomeView), 6, abi.MaxRequests},
		{"events", new(abi.Events), 2, abi.MaxItems},
		{"message headers", new(abi.Message), 8, abi.MaxHeaders},
		{"test details", new(abi.TestResult), 3, abi.MaxHeaders},
		{"groups", new(abi.OpenInput), 5, abi.MaxRequests},
		{"devices", new(abi.OpenInput), 8, abi.MaxDevices},
		{"devices", new(abi.DevicePage), 1, abi.MaxItems},
		{"jobs", new(abi.OutcomeView), 8, abi.MaxRequests},
		{"messages", new(abi.Messages), 1, abi.MaxItems},
		{"verdicts on messages", new(abi.Messages), 2, abi.MaxItems},
		{"connectors on the way", new(abi.Message), 11, abi.MaxHeaders},
		{"parameters", new(abi.Error), 7, abi.MaxHeaders},
		{"tags", new(abi.Device), 5, abi.MaxHeaders},
	}
	for _, tt := range tests {
		one := protowire.AppendBytes(protowire.AppendTag(nil, tt.field, protowire.BytesType), nil)
		if err := tt.m.Decode(bytes.Repeat(one, tt.bound)); err != nil {
			t.Errorf("%s: %d: %v", tt.name, tt.bound, err)
		}
		if err := tt.m.Decode(bytes.Repeat(one, tt.bound+1)); !errors.Is(err, abi.ErrTooLarge) {
			t.Errorf("%s: %d: %v, want ErrTooLarge", tt.name, tt.bound+1, err)
		}
	}
}

func TestAFaultLeavesNoOutcome(t *testing.T) {
	src := (&abi.Outcome{Batch: *readings(1), Cursor: []byte("c"), NextPollMS: 5}).Append(nil)
	var got abi.OutcomeView
	if err := got.Decode(append(src, 0)); err == nil || !reflect.DeepEqual(got, abi.OutcomeView{}) {
		t.Errorf("%v, left %+v", err, got)
	}
}
