//go:build !wasip1

package hostcall

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func TestCallWithoutHost(t *testing.T) {
	_, err := Native("kv", "get", nil)
	fault, ok := errors.AsType[*abi.Error](err)
	if !ok || fault.Kind != abi.FaultUnavailable || !strings.Contains(fault.Text, "kv.get") {
		t.Errorf("got %v, want an unavailable that names kv.get", err)
	}
}

func TestInstallAndRestore(t *testing.T) {
	answer := func(text string) Hook {
		return func(group, function string, request []byte) ([]byte, error) {
			return fmt.Appendf(nil, "%s %s.%s(%s)", text, group, function, request), nil
		}
	}
	restoreOuter := Install(answer("outer"))
	restoreInner := Install(answer("inner"))
	check(t, "inner g.f(x)")
	restoreInner()
	check(t, "outer g.f(x)")
	restoreOuter()
	if _, err := Native("g", "f", nil); err == nil {
		t.Error("a host is left")
	}
}

func check(t *testing.T, want string) {
	t.Helper()
	reply, err := Native("g", "f", []byte("x"))
	if err != nil || string(reply) != want {
		t.Errorf("got %q, %v, want %q", reply, err, want)
	}
}

func TestRepliesOfAnyLength(t *testing.T) {
	var reply string
	defer Install(func(string, string, []byte) ([]byte, error) { return []byte(reply), nil })()
	for _, n := range []int{0, 1, initialReply, initialReply + 1, 1 << 20, 3} {
		reply = strings.Repeat("x", n)
		got, err := Native("g", "f", nil)
		if err != nil || string(got) != reply {
			t.Errorf("a reply of %d bytes came as %d bytes, %v", n, len(got), err)
		}
	}
}

// TestRepliesShareMemory holds the native twin to the module: a reply is gone
// with the next call, unless it has a buffer of its own.
func TestRepliesShareMemory(t *testing.T) {
	next := ""
	defer Install(func(string, string, []byte) ([]byte, error) { return []byte(next), nil })()
	var own []byte
	next = "first"
	shared, _ := Native("g", "f", nil)
	kept, _ := NativeInto(&own, "g", "f", nil)
	next = "other"
	if _, err := Native("g", "f", nil); err != nil {
		t.Fatal(err)
	}
	if string(shared) != "other" || string(kept) != "first" {
		t.Errorf("the shared reply is %q and the kept one %q", shared, kept)
	}
}

func TestErrors(t *testing.T) {
	full := abi.Error{Kind: abi.FaultConflict, Code: "c", Text: "t", Hint: "h", RetryAfterMS: 9}
	for _, c := range []struct {
		err  error
		want abi.Error
	}{
		{&full, full},
		{fmt.Errorf("wrapped: %w", &full), full},
		{errors.New("plain"), abi.Error{Kind: abi.FaultUnknown, Text: "plain"}},
	} {
		restore := Install(func(string, string, []byte) ([]byte, error) { return nil, c.err })
		_, err := Native("g", "f", nil)
		restore()
		if fault, ok := errors.AsType[*abi.Error](err); !ok || !reflect.DeepEqual(*fault, c.want) {
			t.Errorf("%v came as %+v, want %+v", c.err, err, c.want)
		}
	}
}

func TestUnreadableErrorIsAnErrorToo(t *testing.T) {
	fault, ok := errors.AsType[*abi.Error](failure([]byte{0xff}))
	if !ok || fault.Kind != abi.FaultInternal {
		t.Errorf("got %+v", fault)
	}
}
