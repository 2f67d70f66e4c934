package abi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func FuzzBatch(f *testing.F)      { fuzz(f, "Batch") }
func FuzzOutcome(f *testing.F)    { fuzz(f, "Outcome") }
func FuzzEvents(f *testing.F)     { fuzz(f, "Events") }
func FuzzMessage(f *testing.F)    { fuzz(f, "Message") }
func FuzzReply(f *testing.F)      { fuzz(f, "Reply") }
func FuzzError(f *testing.F)      { fuzz(f, "Error") }
func FuzzOpenInput(f *testing.F)  { fuzz(f, "OpenInput") }
func FuzzTestResult(f *testing.F) { fuzz(f, "TestResult") }
func FuzzSerialOpen(f *testing.F) { fuzz(f, "SerialOpen") }

func FuzzSerialTransact(f *testing.F) { fuzz(f, "SerialTransact") }

func FuzzDevice(f *testing.F)       { fuzz(f, "Device") }
func FuzzDeviceChange(f *testing.F) { fuzz(f, "DeviceChange") }
func FuzzMessages(f *testing.F)     { fuzz(f, "Messages") }
func FuzzDeliver(f *testing.F)      { fuzz(f, "DeliverInput") }

func FuzzHTTPRequest(f *testing.F)  { fuzz(f, "HTTPRequest") }
func FuzzHTTPResponse(f *testing.F) { fuzz(f, "HTTPResponse") }

func FuzzOPCUAValues(f *testing.F)    { fuzz(f, "OPCUAValues") }
func FuzzOPCUASubscribe(f *testing.F) { fuzz(f, "OPCUASubscribe") }

func FuzzKafkaForm(f *testing.F)    { fuzz(f, "KafkaForm") }
func FuzzKafkaProduce(f *testing.F) { fuzz(f, "KafkaProduce") }

func FuzzHookRequest(f *testing.F) { fuzz(f, "HookRequest") }

func FuzzMQTTOpen(f *testing.F)    { fuzz(f, "MQTTOpen") }
func FuzzMQTTPublish(f *testing.F) { fuzz(f, "MQTTPublish") }

func FuzzTCPOpen(f *testing.F)       { fuzz(f, "TCPOpen") }
func FuzzUDPSend(f *testing.F)       { fuzz(f, "UDPSend") }
func FuzzMetricsRecord(f *testing.F) { fuzz(f, "MetricsRecord") }

// FuzzSmall takes turns through all messages, by the first byte.
func FuzzSmall(f *testing.F) {
	o := newOracle(f)
	names := slices.Sorted(maps.Keys(messages()))
	for i, name := range names {
		for _, c := range readVectors(f, name) {
			f.Add(append([]byte{byte(i)}, c.src...))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) == 0 {
			return
		}
		name := names[int(src[0])%len(names)]
		o.judge(t, name, messages()[name](), src[1:])
	})
}

func fuzz(f *testing.F, name string) {
	f.Helper()
	o := newOracle(f)
	for _, c := range readVectors(f, name) {
		f.Add(c.src)
	}
	m := messages()[name]()
	f.Fuzz(func(t *testing.T, src []byte) { o.judge(t, name, m, src) })
}

// judge compares ours with the oracle on any bytes. What ours reads the
// oracle reads as the same, and what the oracle reads ours refuses only for
// the reasons in the package comment.
func (o *oracle) judge(t *testing.T, name string, m message, src []byte) {
	t.Helper()
	theirs, refused := o.decode(t, name, src)
	want, defined := plain(theirs)
	err := m.Decode(src)
	if view, ok := m.(*abi.OutcomeView); ok && err == nil {
		var b abi.Batch
		err = b.Decode(view.Batch) // the view does not look into it
	}
	switch {
	case err == nil && refused != nil:
		t.Fatalf("accepted what the oracle refuses: %v", refused)
	case err == nil && !defined:
		t.Fatal("accepted an index outside its table")
	case err == nil:
		if got := o.plainOf(t, name, m); !reflect.DeepEqual(got, want) {
			t.Fatalf("\n got %v\nwant %v", got, want)
		}
		o.compareWritten(t, t, name, m, want)
	case refused != nil || errors.Is(err, abi.ErrTooLarge):
	case !errors.Is(err, abi.ErrMalformed):
		t.Fatalf("refused for a reason of no kind: %v", err)
	case defined && !hasGroup(theirs) && !strings.Contains(err.Error(), "second batch"):
		t.Fatalf("refused what the oracle reads: %v", err)
	}
	if b, ok := m.(*abi.Batch); ok {
		judgeCheck(t, b, err, src)
	}
}

// judgeCheck holds CheckBatch to what Decode says of the same bytes.
func judgeCheck(t *testing.T, b *abi.Batch, decoded error, src []byte) {
	t.Helper()
	n, err := abi.CheckBatch(src)
	foreign := slices.ContainsFunc(b.Records, func(r abi.Record) bool { return r.Kind > abi.KindEvent })
	switch {
	case decoded == nil && foreign:
		if !errors.Is(err, abi.ErrKind) {
			t.Fatalf("check let a foreign kind pass: %v", err)
		}
	case decoded == nil:
		if err != nil || n != len(b.Records) {
			t.Fatalf("check says %d, %v; decode read %d", n, err, len(b.Records))
		}
	case err == nil:
		t.Fatalf("check let pass what decode refuses: %v", decoded)
	}
}

// FuzzCanonical holds the canonical form to what it is for: it says the same, it
// is its own canonical form, and it is what encoding/json writes where both have
// the same rules.
func FuzzCanonical(f *testing.F) {
	for _, c := range canonical {
		f.Add([]byte(c.src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		once, err := abi.Canonical(src)
		if err != nil {
			if !errors.Is(err, abi.ErrMalformed) {
				t.Fatalf("refused for a reason of no kind: %v", err)
			}
			return
		}
		again, err := abi.Canonical(once)
		if err != nil || !bytes.Equal(once, again) {
			t.Fatalf("%s became %s, %v", once, again, err)
		}
		var before, after any
		if len(src) == 0 {
			src = []byte("{}")
		}
		if json.Unmarshal(src, &before) != nil || json.Unmarshal(once, &after) != nil {
			t.Fatalf("took %s for JSON, and made %s", src, once)
		}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%s says something else than %s", once, src)
		}
	})
}

// FuzzFormat holds a text made of a template to what it is made of.
func FuzzFormat(f *testing.F) {
	for _, c := range formats {
		f.Add(c.template, "a", "b")
	}
	f.Fuzz(func(t *testing.T, template, first, second string) {
		if got := abi.Format(template, nil); got != template {
			t.Fatalf("without parameters %q became %q", template, got)
		}
		got := abi.Format(template, []string{first, second})
		if !strings.Contains(template, "{") && got != template {
			t.Fatalf("without references %q became %q", template, got)
		}
	})
}

// FuzzManifest compares ParseManifest with protobuf's JSON.
func FuzzManifest(f *testing.F) {
	o := newOracle(f)
	for _, path := range must(filepath.Glob("testdata/manifest/*.json")) {
		f.Add(must(os.ReadFile(path)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := abi.ParseManifest(src)
		if err == nil {
			o.compareManifest(t, m, src)
		}
	})
}
