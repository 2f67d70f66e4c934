// Package connectorswasm holds the modules that Snaprail ships, as make wasm
// builds them: connectors and converters, each with its manifest packed in.
// Their source stands in the folders beside this file, each a program of its
// own for GOOS=wasip1. Only cmd/snaprail imports this package.
package connectorswasm

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// A clean clone has an empty dist, which has to embed all the same: hence all:
// and the file .gitkeep in it.
//
//go:embed all:dist
var dist embed.FS

// Module answers a shipped module by its name, for instance "serialline".
func Module(name string) ([]byte, error) {
	wasm, err := dist.ReadFile(path.Join("dist", name+".wasm"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("module %q is not in this binary: run `make wasm` and build again", name)
	}
	return wasm, err
}

// Names lists the shipped modules of this binary in order.
func Names() []string {
	entries, _ := dist.ReadDir("dist") // the folder is always embedded
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".wasm"); ok {
			names = append(names, name)
		}
	}
	return names
}
