package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// Whoever waits for another's compilation does not share that one's fate.
func TestCompileOutlivesAnImpatientCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(t.Context(), Config{})
		if err != nil {
			t.Fatal(err)
		}
		wasm := w.Module{}.Bytes()
		sum := sha256.Sum256(wasm)
		code, _ := e.hold(hex.EncodeToString(sum[:]))
		done := make(chan error)
		go func() {
			m, err := e.Compile(t.Context(), wasm)
			if err == nil {
				err = m.Close(t.Context())
			}
			done <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e.compile(ctx, code, wasm)
		e.release(ctx, code)
		if err := <-done; err != nil || !fault.Is(code.err, fault.Canceled) {
			t.Errorf("the patient one got %v, the other %v", err, code.err)
		}
		if s := e.Stats(); s.Modules != 0 {
			t.Errorf("%d modules are left", s.Modules)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The cache's path names the release of wazero that is built in.
func TestWazeroVersionIsThatOfGoMod(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/tetratelabs/wazero "+wazeroVersion) {
		t.Errorf("go.mod names another release than %s", wazeroVersion)
	}
}

// A guest whose memory is slow gets slices that do not last longer for it, and
// whole ones again when it is quick.
func TestSlicesAreCutToTheirTime(t *testing.T) {
	f := fuel{slice: Slice}
	for _, c := range []struct {
		units uint64
		took  time.Duration
		want  int64
	}{
		{Slice, 40 * time.Microsecond, Slice},
		{Slice, 10 * time.Millisecond, Slice / 50},
		{Slice / 50, 200 * time.Microsecond, Slice / 25},
		{Slice, time.Second, leastSlice},
		{1 << 40, 400 * time.Microsecond, Slice / 2}, // a bulk instruction
		{Slice / 2, 10 * time.Microsecond, Slice},
		{Slice, 10 * time.Microsecond, Slice},
	} {
		if f.cut(c.units, c.took); f.slice != c.want {
			t.Errorf("after %d units in %v the slice is %d, want %d", c.units, c.took, f.slice, c.want)
		}
	}
}
