package extism_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/runtime/engine/extism"
)

// FuzzKernel does whatever the bytes say to a kernel: it must not panic, and
// must stay in its room.
func FuzzKernel(f *testing.F) {
	f.Add([]byte("\x00\x10\x01\x40\x02\x40\x03\x40\x04\x40\x05\x40\x06\x40\x07\x40\x08\x40\x09\x40\x0a\x40\x0b\x40"))
	f.Add(bytes.Repeat([]byte{0, 200, 13, 1, 1, 70, 12, 9}, 40))
	f.Fuzz(func(t *testing.T, ops []byte) {
		const limit = 128 << 10
		k, b := newKernel(t, extism.Settings{Config: map[string]string{"\x01": "v"}, MaxVars: 4096}, limit)
		var offsets [8]uint64
		next := func() uint64 { // a number that is likely to hit something
			if len(ops) == 0 {
				return 0
			}
			v := uint64(ops[0])
			ops = ops[1:]
			switch {
			case v < 8:
				return offsets[v]
			case v < 16:
				return offsets[v-8] + 1
			case v < 24 && len(ops) >= 8:
				v = binary.LittleEndian.Uint64(ops)
				ops = ops[8:]
				return v
			case v >= 240:
				return 1 << (v - 224)
			}
			return v
		}
		for len(ops) > 0 {
			op := ops[0]
			ops = ops[1:]
			a, c := next(), next()
			keep := func(at uint64) { offsets[op>>5] = at }
			switch op & 31 {
			case 0, 1, 2:
				keep(k.Alloc(a))
			case 3:
				k.Free(a)
			case 4:
				k.Store8(a, byte(c))
			case 5:
				k.Store64(a, c)
			case 6:
				_, _ = k.Load8(a), k.Load64(c)
			case 7:
				k.SetInput(a, c)
			case 8:
				k.SetOutput(a, c)
			case 9:
				k.SetError(a)
			case 10:
				_, _ = k.InputLoad8(a), k.InputLoad64(c)
			case 11:
				at, _ := k.Config(a)
				keep(at)
			case 12:
				at, _ := k.Var(a)
				keep(at)
			case 13:
				_ = k.SetVar(a, c)
			case 14:
				k.Reset()
			case 15:
				k.Begin(make([]byte, a%(2*limit)))
			default:
				if k.Length(a) != uint64(len(k.Block(a))) {
					t.Fatal("a block has two lengths")
				}
			}
			if b.held > limit {
				t.Fatalf("the kernel holds %d bytes", b.held)
			}
			_, _ = k.Output(), k.ErrorText()
		}
	})
}

// oracle is the kernel that go-sdk ships.
type oracle struct {
	t      *testing.T
	module api.Module
}

// goSDK is the folder of go-sdk's source.
func goSDK(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/extism/go-sdk").Output()
	if dir := strings.TrimSpace(string(out)); err == nil && dir != "" {
		return dir
	}
	t.Skip("go-sdk's source is not in the module cache")
	return ""
}

func (o oracle) call(name string, args ...uint64) uint64 {
	o.t.Helper()
	out, err := o.module.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		o.t.Fatalf("%s%v: %v", name, args, err)
	}
	if len(out) == 0 {
		return 0
	}
	return out[0]
}

// TestKernelDoesWhatTheReferenceDoes does the same to both kernels, and
// compares what a guest can see, offsets and what is in memory that nobody has
// written aside.
func TestKernelDoesWhatTheReferenceDoes(t *testing.T) {
	wasm, err := os.ReadFile(filepath.Join(goSDK(t), "extism-runtime.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(context.Background()) }()
	module, err := r.Instantiate(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(60) {
		compare(t, oracle{t, module}, seed)
	}
}
