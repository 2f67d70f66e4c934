package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// inspection is what `inspect` found out, without running anything.
type inspection struct {
	File     string        `json:"file"`
	Digest   string        `json:"digest"`
	Size     int64         `json:"size"`
	Manifest *abi.Manifest `json:"manifest,omitempty"`
	Imports  []spec.Import `json:"imports"`
	Exports  []string      `json:"exports"`
	Can      []string      `json:"can"`
	Cannot   []string      `json:"cannot"`
	Verdict  verdict       `json:"verdict"`

	memory string
}

// verdict says whether a server of this version would take the module in.
type verdict struct {
	Fits   bool   `json:"fits"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

func (a *app) inspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect module.wasm",
		Short: "Show what a module is, needs, can and cannot do, without running it",
		Long: "Inspect reads a module and its manifest, says in plain sentences what it can and cannot do,\n" +
			"and whether a server of this version would take it in. It needs no server and runs nothing.\n" +
			"A module that would be refused is shown all the same, and the exit code is 6.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			i, refusal, err := inspect(args[0])
			if err != nil {
				return err
			}
			if err := a.show(i, func() { a.printInspection(i) }); err != nil {
				return err
			}
			return refusal
		},
	}
}

// inspect reads the file. refusal is why a server would not take it in.
func inspect(file string) (i *inspection, refusal, err error) {
	wasm, err := readFile(file)
	if err != nil {
		return nil, nil, err
	}
	info, err := wasmbin.Read(wasm)
	if err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(wasm)
	i = &inspection{
		File: file, Digest: hex.EncodeToString(sum[:]), Size: int64(len(wasm)),
		Imports: importsOf(info), Exports: exportsOf(info), memory: memoryOf(info),
	}
	i.Manifest, refusal = manifestIn(wasm)
	if refusal == nil {
		refusal = fits(info, i.Manifest)
	}
	if refusal == nil {
		refusal = served(i.Manifest)
	}
	if refusal == nil {
		refusal = linkable(i.Imports)
	}
	m := spec.Module{Imports: i.Imports}
	if i.Manifest != nil {
		m.Manifest = *i.Manifest
	}
	i.Can, i.Cannot = control.Describe(m, groups())
	i.Verdict = verdict{Fits: refusal == nil}
	if f := fault.Of(refusal); f != nil {
		i.Verdict = verdict{Code: f.Kind.String(), Detail: f.Text, Hint: f.Advice()}
	}
	return i, refusal, nil
}

func manifestIn(wasm []byte) (*abi.Manifest, error) {
	text, found, err := wasmbin.Section(wasm, abi.ManifestSection)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fault.New(fault.ManifestMissing, "the module has no section %s", abi.ManifestSection)
	}
	return parseManifest(text)
}

func importsOf(info *wasmbin.Info) []spec.Import {
	list := make([]spec.Import, len(info.Imports))
	for i, imp := range info.Imports {
		list[i] = spec.Import{Module: imp.Module, Function: imp.Name}
	}
	return list
}

func exportsOf(info *wasmbin.Info) []string {
	list := make([]string, len(info.Exports))
	for i, e := range info.Exports {
		list[i] = e.Name
	}
	return list
}

func memoryOf(info *wasmbin.Info) string {
	const page = 64 << 10
	if !info.HasMemory {
		return "none"
	}
	return size(int64(info.MemoryMin)*page) + " at start; the connector's memory limit bounds it (64 MiB unless it says otherwise)"
}

func (a *app) printInspection(i *inspection) {
	rows := [][]string{
		{"file", i.File},
		{"digest", i.Digest},
		{"size", size(i.Size)},
		{"memory", i.memory},
	}
	if m := i.Manifest; m != nil {
		rows = append(rows,
			[]string{"name", m.DisplayName},
			[]string{"type", m.Category + "/" + m.ProviderType},
			[]string{"version", m.Version},
			[]string{"kind", strings.TrimSuffix(string(m.Kind)+", mode "+string(m.Mode), ", mode ")},
			[]string{"contract", fmt.Sprintf("%d.%d", m.ABI.Major, m.ABI.Minor)},
			[]string{"entry points", strings.Join(m.Required(), ", ")})
	}
	a.rows(nil, rows)
	a.sentences(i.Can)
	a.sentences(i.Cannot)
	if i.Verdict.Fits {
		fmt.Fprintln(a.out, "\nVerdict: a server of this version takes it in.")
		return
	}
	fmt.Fprintf(a.out, "\nVerdict: refused (%s).\n", i.Verdict.Code)
}

// sentences prints a list behind an empty line, if there is any.
func (a *app) sentences(list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	for _, s := range list {
		fmt.Fprintf(a.out, "%s\n", visible(s))
	}
}
