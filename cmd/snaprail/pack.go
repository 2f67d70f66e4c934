package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// maxFile bounds what the tools read from disk.
const maxFile = 256 << 20

func (a *app) packCommand() *cobra.Command {
	var manifest, out string
	c := &cobra.Command{
		Use:   "pack module.wasm --manifest manifest.json",
		Short: "Write a manifest into a module, after checking that the two fit",
		Long: "Pack checks the manifest, checks that the module exports the entry points and declares the\n" +
			"groups that it imports, and writes the manifest into the module: in place, or to --output.",
		Example: "  snaprail pack thermometer.wasm --manifest manifest.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if manifest == "" {
				return fault.New(fault.Usage, "--manifest is missing")
			}
			if out == "" {
				out = args[0]
			}
			return a.pack(args[0], manifest, out)
		},
	}
	c.Flags().StringVar(&manifest, "manifest", "", "the manifest, a JSON `file` (required)")
	// The name hides the global --output: pack prints no data.
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write instead of changing the module in place")
	return c
}

func (a *app) pack(module, manifest, out string) error {
	wasm, err := readFile(module)
	if err != nil {
		return err
	}
	text, err := readFile(manifest)
	if err != nil {
		return err
	}
	info, err := wasmbin.Read(wasm)
	if err != nil {
		return err
	}
	m, err := parseManifest(text)
	if err != nil {
		return err
	}
	if err := fits(info, m); err != nil {
		return err
	}
	if _, err := wasmbin.Meter(wasm); err != nil {
		return err
	}
	packed, err := wasmbin.WithSection(wasm, abi.ManifestSection, text)
	if err != nil {
		return err
	}
	if err := replaceFile(out, module, packed); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "packed %s %s into %s (%s)\n", m.ProviderType, m.Version, out, size(int64(len(packed))))
	return nil
}

// readFile reads a whole file up to maxFile.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "cannot read").WithHint("Name a file that exists and is readable.")
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "cannot read").WithHint("Name a file that exists and is readable.")
	}
	if len(body) > maxFile {
		return nil, fault.New(fault.TooLarge, "%s is larger than %s", name, size(maxFile))
	}
	return body, nil
}

// replaceFile puts body under the name in one step, with the permissions of
// the file like: whoever reads meanwhile sees the old file or the new one.
func replaceFile(name, like string, body []byte) (err error) {
	mode := os.FileMode(0o644)
	if info, statErr := os.Stat(like); statErr == nil {
		mode = info.Mode().Perm()
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return cannotWrite(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	if err := writeOut(tmp, mode, body); err != nil {
		return cannotWrite(err)
	}
	if err := os.Rename(tmp.Name(), name); err != nil {
		return cannotWrite(err)
	}
	return nil
}

// writeOut fills, syncs and closes f.
func writeOut(f *os.File, mode os.FileMode, body []byte) error {
	_, err := f.Write(body)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func cannotWrite(err error) error {
	return fault.Wrap(fault.Usage, err, "cannot write").WithHint("Name a folder that exists and is writable, with --output.")
}
