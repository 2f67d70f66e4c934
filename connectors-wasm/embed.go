// Package connectorswasm holds the modules that Snaprail ships, as make wasm
// builds them: connectors and converters, each with its manifest packed in.
// Their source stands in the folders beside this file, each a program of its
// own for GOOS=wasip1. They lie packed in the binary and are unpacked one at a
// time when they are asked for. Only cmd/snaprail imports this package.
package connectorswasm

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/snaprail/snaprail/connectors-wasm/shelf"
)

// A clean clone has nothing packed yet and has to build all the same: hence
// all: and the file .gitkeep in it.
//
//go:embed all:packed
var packed embed.FS

// Module answers a shipped module by its name, for instance "serialline". It
// is unpacked at each call, in about 10 ms.
func Module(name string) ([]byte, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	wasm, err := s.Take(name)
	if errors.Is(err, shelf.ErrNone) {
		return nil, fmt.Errorf("module %q is not in this binary: run `make wasm` and build again", name)
	}
	return wasm, err
}

// Names lists the shipped modules of this binary in order.
func Names() []string {
	s, err := open()
	if err != nil {
		return nil
	}
	return slices.Sorted(slices.Values(s.Names()))
}

// open reads the index alone: it is asked for the names at every start.
func open() (*shelf.Shelf, error) {
	f, err := packed.Open("packed/modules")
	if errors.Is(err, fs.ErrNotExist) {
		return shelf.Open(nil, 0)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	src, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.New("an embedded file that cannot be read from any place")
	}
	return shelf.Open(src, info.Size())
}
