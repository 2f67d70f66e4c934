package fault_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// full is a fault with everything that a fault can have.
func full() *fault.Fault {
	return fault.New(fault.WasmMalformed, "section %d", 3).
		WithHint("build it %s", "again").WithRetryAfter(3 * time.Second).WithOffset(1234).
		WithFields(fault.Field{Pointer: "/a", Detail: "one"}).
		WithFields(fault.Field{Pointer: "/b", Detail: "two"})
}

func TestOfKeepsAFault(t *testing.T) {
	f := full()
	if got := fault.Of(f); got != f {
		t.Errorf("Of made another fault of a fault: %+v", got)
	}
	if got := fault.Of(nil); got != nil {
		t.Errorf("Of(nil) is %v", got)
	}
}

// TestOfSpeaksForTheWrapper sees that whoever wraps a fault adds words and
// takes nothing away.
func TestOfSpeaksForTheWrapper(t *testing.T) {
	f := full()
	wrapped := fmt.Errorf("upload of x.wasm: %w", f)
	got := fault.Of(fmt.Errorf("outer: %w", wrapped))
	if got.Text != "outer: upload of x.wasm: section 3" || got.Error() != got.Text {
		t.Errorf("text %q", got.Text)
	}
	if got.Kind != fault.WasmMalformed || got.Offset != 1234 || got.RetryAfter != 3*time.Second || got.Advice() != "build it again" {
		t.Errorf("lost on the way: %+v", got)
	}
	if !slices.Equal(got.Fields, []fault.Field{{Pointer: "/a", Detail: "one"}, {Pointer: "/b", Detail: "two"}}) {
		t.Errorf("fields %+v", got.Fields)
	}
	if !errors.Is(got, wrapped) || !errors.Is(got, error(f)) {
		t.Error("the chain is cut")
	}
	if f.Text != "section 3" {
		t.Errorf("the wrapped fault was changed: %q", f.Text)
	}
}

func TestOfNamesErrorsWithoutAKind(t *testing.T) {
	plain := errors.New("tea spilled")
	for _, tt := range []struct {
		err  error
		want fault.Kind
	}{
		{plain, fault.Internal},
		{context.DeadlineExceeded, fault.Timeout},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), fault.Timeout},
		{context.Canceled, fault.Canceled},
		{fmt.Errorf("read: %w", context.Canceled), fault.Canceled},
		{errors.Join(plain, full()), fault.WasmMalformed},
		// A fault knows better than the context that it came of.
		{fault.Wrap(fault.GuestDeadline, context.DeadlineExceeded, "poll"), fault.GuestDeadline},
	} {
		got := fault.Of(tt.err)
		if got.Kind != tt.want {
			t.Errorf("Of(%v) is %s, want %s", tt.err, got.Kind, tt.want)
		}
		if !strings.Contains(got.Text, tt.err.Error()) || !errors.Is(got, tt.err) {
			t.Errorf("Of(%v) lost what it was: %q", tt.err, got.Text)
		}
	}
}

func TestWrapSaysBothAndKeepsTheCause(t *testing.T) {
	cause := fault.New(fault.GuestTrap, "unreachable")
	got := fault.Wrap(fault.ModuleRejected, cause, "module %d", 7)
	if got.Text != "module 7: unreachable" {
		t.Errorf("text %q", got.Text)
	}
	if !errors.Is(got, error(cause)) {
		t.Error("the cause is lost")
	}
	if !fault.Is(got, fault.ModuleRejected) || fault.Is(got, fault.GuestTrap) {
		t.Error("the outermost kind decides")
	}
}

func TestIs(t *testing.T) {
	if fault.Is(nil, fault.Internal) {
		t.Error("no error is no fault")
	}
	if fault.Is(errors.New("x"), fault.Internal) {
		t.Error("an error without a kind is not known to be the host's")
	}
	if !fault.Is(fmt.Errorf("a: %w", full()), fault.WasmMalformed) {
		t.Error("a wrapped fault keeps its kind")
	}
}

func TestAdviceIsTheTableUnlessTheFaultKnowsBetter(t *testing.T) {
	f := fault.New(fault.DiskFull, "x")
	if f.Advice() != fault.DiskFull.Info().Hint {
		t.Errorf("advice %q", f.Advice())
	}
	if f.WithHint("free %d MB", 3).Advice() != "free 3 MB" {
		t.Errorf("advice %q", f.Advice())
	}
}

func TestToABITellsAGuestAll(t *testing.T) {
	if fault.ToABI(nil) != nil {
		t.Error("no error is no error across the wall")
	}
	got := fault.ToABI(fmt.Errorf("open: %w", fault.New(fault.PortInUse, "taken").WithRetryAfter(1500*time.Millisecond)))
	want := abi.Error{
		Kind: abi.FaultConflict, Code: "port_in_use", Text: "open: taken",
		Hint: fault.PortInUse.Info().Hint, RetryAfterMS: 1500,
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	finer := fault.New(fault.Denied, "no")
	finer.Finer = "no_topic_granted"
	if got := fault.ToABI(fmt.Errorf("open: %w", finer)); got.Kind != abi.FaultDenied || got.Code != "denied" || got.Finer != "no_topic_granted" {
		t.Errorf("a finer code: %+v", got)
	}
	if got := fault.ToABI(fault.New(fault.Exhausted, "x").WithRetryAfter(-time.Second)); got.RetryAfterMS != 0 {
		t.Errorf("a wait in the past became %d ms", got.RetryAfterMS)
	}
}

// TestGuestCannotSpeakForTheHost: whatever a guest says, only that it failed,
// or that it does not know the operation, is believed.
func TestGuestCannotSpeakForTheHost(t *testing.T) {
	for kind := range abi.FaultKind(40) {
		want := fault.Guest
		if kind == abi.FaultUnsupported {
			want = fault.Unsupported
		}
		got := fault.FromABI(&abi.Error{Kind: kind, Code: "integrity", Text: "all is lost", Hint: "Wipe the disk.", RetryAfterMS: 7})
		if got.Kind != want {
			t.Errorf("number %d became %s", kind, got.Kind)
		}
		if got.Text != "integrity: all is lost" || got.Advice() != "Wipe the disk." || got.RetryAfter != 7*time.Millisecond {
			t.Errorf("number %d: %+v", kind, got)
		}
	}
}

func TestGuestCannotAskForALongWait(t *testing.T) {
	hour := uint64(time.Hour.Milliseconds())
	for ms, want := range map[uint64]time.Duration{
		0: 0, 1: time.Millisecond, hour - 1: time.Hour - time.Millisecond, hour: time.Hour,
		hour + 1: time.Hour, math.MaxInt64: time.Hour, math.MaxUint64: time.Hour,
	} {
		if got := fault.FromABI(&abi.Error{RetryAfterMS: ms}).RetryAfter; got != want {
			t.Errorf("%d ms became %s, want %s", ms, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abc", 2, "ab"},
		{"aé", 3, "aé"},
		{"aé", 2, "a"},
		{"é", 1, ""},
		{"a\xff\xfe", 3, "a?"},
		{"\xffabc", 2, "?a"},
	} {
		if got := fault.Clip(tt.text, tt.n); got != tt.want {
			t.Errorf("Clip(%q, %d) is %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}

// TestClipHoldsNothingOfTheRest: what was cut off can be freed.
func TestClipHoldsNothingOfTheRest(t *testing.T) {
	const size, texts = 1 << 20, 32
	for name, part := range map[string]string{"long": "a", "long and invalid": "\xff\xffa", "short when mended": "\xff"} {
		before := heap()
		var kept [texts]string
		for i := range kept {
			kept[i] = fault.Clip(strings.Repeat(part, size/len(part)), 8)
		}
		if grown := int64(heap()) - int64(before); grown > size*texts/4 {
			t.Errorf("%s: %d texts of at most 8 bytes hold %d", name, texts, grown)
		}
		runtime.KeepAlive(kept)
	}
}

// heap is how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
