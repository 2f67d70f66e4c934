package abusetest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/abusetest"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// TestAbuse18Reload: two good versions and two bad ones take turns while 500
// records come in each second. Nothing is lost or comes twice, a bad one leaves
// the old one at work, and no record waits long. The pause of a swap is the
// longest wait of a record that was due while it went on: what a record waits
// without a swap is in it.
func TestAbuse18Reload(t *testing.T) {
	reloads := 24
	if full {
		reloads = 1000
	}
	n := newNode(t)
	b := n.bystander()
	good := [2]string{b.input.Module, n.upload(n.victim, reversioned(t, "serialline", "1.0.1"))}
	bad := n.upload(n.victim, abusetest.TrapsInOpen().Module)
	calm := b.waits(t, reloads/4, func(int) {})
	swaps, refused := uint64(0), 0
	pauses := b.waits(t, reloads, func(i int) {
		in := b.input
		in.Module = good[(swaps+1)%2]
		wrong := i%4 == 3
		if wrong { // a version that traps when it is opened, or one that says no
			if in.Module = bad; i%8 == 7 {
				in.Module, in.Config = good[0], json.RawMessage(`{"devices":[{"name":"station","port":"/dev/not-granted"}]}`)
			}
		}
		s := b.replace(in)
		switch {
		case s.State != lifecycle.Running || s.Restarts != 0:
			t.Fatalf("reload %d: %+v", i, s)
		case wrong && (s.Swaps != swaps || !strings.Contains(s.Reason, "could not take over")):
			t.Fatalf("reload %d to a bad version: %+v", i, s)
		case wrong:
			refused++
		case s.Swaps != swaps+1 || s.Module != in.Module:
			t.Fatalf("reload %d: %+v", i, s)
		default:
			swaps++
		}
	})
	t.Logf("%d swaps, %d refused; a record waits %s without them", swaps, refused, calm)
	t.Logf("with them %s", pauses)
	judge(t, "18", fmt.Sprintf("longest wait of a record in each of %d reloads", reloads), "p99 at most 20 ms",
		fmt.Sprintf("%s, median %s, without reloads %s", abusetest.Millis(pauses.P99()), abusetest.Millis(pauses.Median()), abusetest.Millis(calm.P99())),
		pauses.P99() <= 20*time.Millisecond)
	if pauses.Median() > time.Second {
		t.Errorf("the median of the pauses is %s", pauses.Median())
	}
	if s := b.status(); len(s.Sessions) != 1 || s.Sessions[0].Opens != 1 || s.Sessions[0].Dropped != 0 {
		t.Errorf("sessions %+v: want one port, opened once", s.Sessions)
	}
	b.unharmed()
}

// waits does something so many times, and tells the longest wait of a record
// that was due meanwhile, or in the 20 ms around it.
func (b *bystander) waits(t *testing.T, times int, do func(i int)) abusetest.Latencies {
	t.Helper()
	var longest []time.Duration
	for i := range times {
		from := time.Now()
		pause(t.Context(), 10*time.Millisecond)
		do(i)
		pause(t.Context(), 10*time.Millisecond)
		longest = append(longest, b.between(from, time.Now()).Max())
	}
	return abusetest.Sorted(longest)
}

// replace changes the bystander's connector. It consents to what the new
// version asks for: this is about what happens then.
func (b *bystander) replace(in control.ConnectorInput) lifecycle.Status {
	b.node.t.Helper()
	in.Consent = []string{in.Module}
	v, err := b.node.victim.UpdateConnector(b.node.t.Context(), b.id, in, 0)
	if err != nil {
		b.node.t.Fatal(err)
	}
	return v.Runtime
}

// reversioned is a shipped module with another version in its manifest, and so
// with another digest.
func reversioned(t *testing.T, name, version string) []byte {
	t.Helper()
	src := wasm(t, name)
	raw, found, err := wasmbin.Section(src, abi.ManifestSection)
	if err != nil || !found {
		t.Fatal("no manifest: ", err)
	}
	var manifest map[string]any
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["version"] = version
	if raw, err = json.Marshal(manifest); err == nil {
		src, err = wasmbin.WithSection(src, abi.ManifestSection, raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return src
}
