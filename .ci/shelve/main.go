// Shelve packs the modules that Snaprail ships into the one file that the
// binary carries: shelve OUT module.wasm…
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/snaprail/snaprail/connectors-wasm/shelf"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: shelve OUT module.wasm…")
		os.Exit(2)
	}
	if err := shelve(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "shelve:", err)
		os.Exit(1)
	}
}

func shelve(out string, files []string) error {
	var modules []shelf.Module
	size := 0
	for _, f := range files {
		wasm, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		size += len(wasm)
		modules = append(modules, shelf.Module{Name: strings.TrimSuffix(filepath.Base(f), ".wasm"), Wasm: wasm})
	}
	packed, err := shelf.Pack(modules)
	if err != nil {
		return err
	}
	fmt.Printf("%d modules of %.1f MB in %.1f MB\n", len(modules), float64(size)/1e6, float64(len(packed))/1e6)
	return os.WriteFile(out, packed, 0o600)
}
