package wasmbin_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// withData is a module of one page with these segments.
func withData(data ...w.Data) []byte { return w.Module{Pages: 1, Data: data}.Bytes() }

func at(offset uint32, bytes string) w.Data { return w.Data{Offset: offset, Bytes: []byte(bytes)} }

func TestImageHoldsWhatTheMemoryStartsWith(t *testing.T) {
	for name, c := range map[string]struct {
		data []w.Data
		want string // nothing: the segments stay where they are
	}{
		"one":                {[]w.Data{at(8, "ab")}, "8:ab"},
		"two that touch":     {[]w.Data{at(8, "ab"), at(10, "cd")}, "8:abcd"},
		"a gap":              {[]w.Data{at(8, "ab"), at(12, "cd")}, "8:ab\x00\x00cd"},
		"the widest gap":     {[]w.Data{at(0, "a"), at(65, "b")}, "0:a" + strings.Repeat("\x00", 64) + "b"},
		"far apart":          {[]w.Data{at(0, "a"), at(66, "b")}, "0:a 66:b"},
		"empty ones":         {[]w.Data{at(8, ""), at(8, "a"), at(9, ""), at(1000, "")}, "8:a 1000:"},
		"in the other order": {[]w.Data{at(300, "a"), at(400, "b"), at(8, "c"), at(9, "d")}, "8:cd 300:a 400:b"},
		"none":               {nil, ""},
		"one on another":     {[]w.Data{at(8, "abc"), at(10, "d")}, ""},
		"one before another": {[]w.Data{at(10, "d"), at(8, "abc")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			src := withData(c.data...)
			metered := meter(t, src)
			image, err := wasmbin.Image(metered)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range image {
				got = append(got, fmt.Sprintf("%d:%s", s.Offset, s.Bytes))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if !bytes.Equal(memoryOf(t, src), memoryOf(t, metered)) {
				t.Error("the memory starts with something else")
			}
		})
	}
}

// memoryOf is the memory of a module that has just been instantiated.
func memoryOf(t *testing.T, src []byte) []byte {
	t.Helper()
	mod, err := newHost(t, wazero.NewRuntimeConfigInterpreter()).instance(t.Context(), src, "")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := mod.Memory().Read(0, mod.Memory().Size())
	return bytes.Clone(all)
}

// A segment that does not lie inside the memory traps, as a plain one does.
func TestImageOutsideTheMemoryTraps(t *testing.T) {
	for name, data := range map[string]w.Data{
		"beyond":       at(1<<20, "a"),
		"over the end": at(1<<16-1, "ab"),
		"empty":        at(1<<16+1, ""),
		"wrapped":      at(1<<32-1, "ab"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, src := range [][]byte{withData(data), meter(t, withData(data))} {
				_, err := newHost(t, wazero.NewRuntimeConfigInterpreter()).instance(t.Context(), src, "")
				if err == nil || !strings.Contains(err.Error(), "out of bounds memory access") {
					t.Errorf("it ended with %v", err)
				}
			}
		})
	}
}

// A damaged image is refused, and takes no more memory than it has bytes.
func TestImageRefusesWhatIsDamaged(t *testing.T) {
	far := binary.AppendUvarint(nil, 1<<32-1)
	for name, body := range map[string][]byte{
		"nothing":            {},
		"a count too many":   {2, 0, 1, 'a'},
		"a count of 2^32":    append(bytes.Clone(far), 0),
		"bytes that are not": {1, 0, 5, 'a'},
		"bytes left over":    {1, 0, 1, 'a', 0},
		"an address of 2^32": w.Join([]byte{2}, far, []byte{1, 'a', 0, 0}),
	} {
		t.Run(name, func(t *testing.T) {
			src, err := wasmbin.WithSection(withData(), "snaprail.data", body)
			if err != nil {
				t.Fatal(err)
			}
			if image, err := wasmbin.Image(src); !fault.Is(err, fault.WasmMalformed) {
				t.Errorf("%v, %v", image, err)
			}
		})
	}
}

// What a module calls by the name of the image is not taken for one.
func TestImageIsTheMetersAlone(t *testing.T) {
	src, err := wasmbin.WithSection(withData(), "snaprail.data", []byte{1, 0, 1, 'a'})
	if err != nil {
		t.Fatal(err)
	}
	if image, err := wasmbin.Image(meter(t, src)); image != nil || err != nil {
		t.Errorf("%v, %v", image, err)
	}
}

// The image of a Go module is a few copies.
func TestImageOfAGoModuleIsSmall(t *testing.T) {
	src := goModule(t)
	info, err := wasmbin.Read(src)
	if err != nil {
		t.Fatal(err)
	}
	image, err := wasmbin.Image(meter(t, src))
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, s := range image {
		size += len(s.Bytes)
	}
	t.Logf("%d data segments became %d, of %d bytes", info.Segments, len(image), size)
	if info.Segments < 10_000 || len(image) > 1_000 {
		t.Errorf("%d data segments became %d", info.Segments, len(image))
	}
}
