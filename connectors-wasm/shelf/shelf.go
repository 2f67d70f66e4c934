// Package shelf keeps many wasm modules in little room: most of every module
// that one compiler built is the same runtime, so one of them is packed by
// itself and all others against it. connectors-wasm reads a shelf out of the
// binary and .ci/shelve writes one; nobody else imports this package. The same
// modules make the same bytes, and what is taken off a shelf is what was put
// there, to the byte, or an error.
//
// A shelf is its index, a line of JSON, and then the packed modules in order.
package shelf

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

const (
	// MaxModule bounds one module, in bytes, before it is packed.
	MaxModule = 64 << 20

	// The parts that modules have in common are found this far apart. It has
	// to hold the base and a module of usual size; larger ones pack less well.
	window = 16 << 20

	dictID = 1

	// maxIndex bounds the index, in bytes: room for some hundred modules.
	maxIndex = 64 << 10
)

// Module is one module by its name.
type Module struct {
	Name string
	Wasm []byte
}

// entry is a module in the index.
type entry struct {
	Name   string `json:"name"`
	Size   int    `json:"size"`   // as it was
	Packed int    `json:"packed"` // as it lies here
	Digest string `json:"sha256"` // of the module as it was
}

type index struct {
	Base    string  `json:"base"` // the module that the others are packed against
	Modules []entry `json:"modules"`
}

// Shelf is an opened shelf. It is safe for concurrent use and holds its index
// alone: a module is read when it is taken.
type Shelf struct {
	index index
	at    []int64 // where each module of the index lies
	src   io.ReaderAt
}

// Open reads the index of a shelf of that many bytes; none at all are an empty
// shelf. The shelf reads from src as long as it is used.
func Open(src io.ReaderAt, size int64) (*Shelf, error) {
	s := &Shelf{src: src}
	if size == 0 {
		return s, nil
	}
	line, err := bufio.NewReaderSize(io.NewSectionReader(src, 0, size), maxIndex).ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("shelf: the index: %w", err)
	}
	if err := json.Unmarshal(line, &s.index); err != nil {
		return nil, fmt.Errorf("shelf: the index: %w", err)
	}
	at := int64(len(line))
	for _, e := range s.index.Modules {
		if e.Size < 0 || e.Size > MaxModule || e.Packed < 0 || e.Packed > MaxModule {
			return nil, fmt.Errorf("shelf: %s would have %d bytes in %d; %d is the most", e.Name, e.Size, e.Packed, MaxModule)
		}
		s.at = append(s.at, at)
		at += int64(e.Packed)
	}
	if at != size {
		return nil, fmt.Errorf("shelf: it has %d bytes, and its modules end at %d", size, at)
	}
	return s, nil
}

// Names lists the modules in the order in which they were put there.
func (s *Shelf) Names() []string {
	names := make([]string, len(s.index.Modules))
	for i, e := range s.index.Modules {
		names[i] = e.Name
	}
	return names
}

// ErrNone is answered for a name that is not on the shelf.
var ErrNone = errors.New("no such module on the shelf")

// Take unpacks a module. It needs room for that module and the base, and
// answers ErrNone for a name that is not there.
func (s *Shelf) Take(name string) ([]byte, error) {
	at := s.find(name)
	if at < 0 {
		return nil, ErrNone
	}
	if name == s.index.Base {
		return s.unpack(at)
	}
	on := s.find(s.index.Base)
	if on < 0 {
		return nil, fmt.Errorf("shelf: the base %q is missing", s.index.Base)
	}
	base, err := s.unpack(on)
	if err != nil {
		return nil, err
	}
	return s.unpack(at, zstd.WithDecoderDictRaw(dictID, base))
}

// find is where a name is in the index, or -1.
func (s *Shelf) find(name string) int {
	return slices.IndexFunc(s.index.Modules, func(e entry) bool { return e.Name == name })
}

func (s *Shelf) unpack(i int, options ...zstd.DOption) ([]byte, error) {
	e := s.index.Modules[i]
	packed := make([]byte, e.Packed)
	if _, err := s.src.ReadAt(packed, s.at[i]); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("shelf: %s: %w", e.Name, err)
	}
	options = append(options, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window),
		zstd.WithDecoderMaxMemory(uint64(max(e.Size, 1))))
	d, err := zstd.NewReader(nil, options...)
	if err != nil {
		return nil, fmt.Errorf("shelf: %s: %w", e.Name, err)
	}
	defer d.Close()
	wasm, err := d.DecodeAll(packed, make([]byte, 0, e.Size))
	if err != nil {
		return nil, fmt.Errorf("shelf: %s: %w", e.Name, err)
	}
	if digest(wasm) != e.Digest {
		return nil, fmt.Errorf("shelf: %s is not what was put there", e.Name)
	}
	return wasm, nil
}

// Pack makes a shelf of modules. The smallest of them becomes the base: it has
// least that the others have not.
func Pack(modules []Module) ([]byte, error) {
	if len(modules) == 0 {
		return nil, nil
	}
	base := modules[0]
	for _, m := range modules {
		if len(m.Wasm) > MaxModule {
			return nil, fmt.Errorf("shelf: %s has %d bytes, more than %d", m.Name, len(m.Wasm), MaxModule)
		}
		if len(m.Wasm) < len(base.Wasm) {
			base = m
		}
	}
	alone, err := encoder()
	if err != nil {
		return nil, err
	}
	against, err := encoder(zstd.WithEncoderDictRaw(dictID, base.Wasm))
	if err != nil {
		return nil, err
	}
	var body []byte
	idx := index{Base: base.Name}
	for _, m := range modules {
		by := against
		if m.Name == base.Name {
			by = alone
		}
		start := len(body)
		body = by.EncodeAll(m.Wasm, body)
		idx.Modules = append(idx.Modules, entry{
			Name: m.Name, Size: len(m.Wasm), Packed: len(body) - start, Digest: digest(m.Wasm),
		})
	}
	line, err := json.Marshal(idx)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), body...), nil
}

// encoder packs as well as it can: that is done once, and unpacking takes the
// same time however hard it was tried.
func encoder(options ...zstd.EOption) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, append(options, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))...)
}

func digest(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}
