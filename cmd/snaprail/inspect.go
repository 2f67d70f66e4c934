package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api"
	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// inspection is what `inspect` found out, without running anything.
type inspection struct {
	File     string          `json:"file,omitempty"`
	Digest   string          `json:"digest"`
	Size     int64           `json:"size"`
	Manifest *abi.Manifest   `json:"manifest,omitempty"`
	Imports  []spec.Import   `json:"imports"`
	Exports  []string        `json:"exports"`
	Anatomy  *client.Anatomy `json:"anatomy"`
	Can      []string        `json:"can"`
	Cannot   []string        `json:"cannot"`
	Needs    []client.Need   `json:"needs"`
	Verdict  verdict         `json:"verdict"`
	// Difference is from the module that it was compared with.
	Difference *client.Difference `json:"difference,omitempty"`
}

// verdict says whether a server of this version would take the module in.
type verdict struct {
	Fits   bool   `json:"fits"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

func (a *app) inspectCommand() *cobra.Command {
	var against string
	c := &cobra.Command{
		Use:   "inspect module.wasm",
		Short: "Show what a module is, needs, can and cannot do, without running it",
		Long: "Inspect reads a module and its manifest, says in plain sentences what it can and cannot do, which\n" +
			"grants it has a use for, and whether a server of this version would take it in. It runs nothing.\n" +
			"A module that would be refused is shown all the same, and the exit code is 6.\n\n" +
			"A name that is no file's may be that of a module which this binary carries (`snaprail modules push --shipped`).\n\n" +
			"With --against it also says what changes when the module takes the place of another, and whether\n" +
			"that needs consent. Either module may be a file, or the digest of one that a server has.",
		Example: "  snaprail inspect meter.wasm\n  snaprail inspect meter2.wasm --against meter.wasm\n" +
			"  snaprail inspect meter2.wasm --against 5235f21370aa",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			i, refusal, err := a.look(c, args[0])
			if err != nil {
				return err
			}
			if against != "" {
				old, _, err := a.look(c, against)
				if err != nil {
					return err
				}
				d := api.DifferenceForm(control.Compare(old.module(), i.module(), offer()))
				i.Difference = &d
			}
			if err := a.show(i, func() { a.printInspection(i) }); err != nil {
				return err
			}
			return refusal
		},
	}
	c.Flags().StringVar(&against, "against", "", "the `module` whose place it is to take: a file, or a digest on the server")
	return c
}

// look inspects a file, or a module that the server has. refusal is why a
// server would not take it in.
func (a *app) look(c *cobra.Command, name string) (i *inspection, refusal, err error) {
	if _, err := os.Stat(name); err != nil {
		if src, _, err := shippedModuleOf(name); err == nil {
			return inspectBytes(name, src)
		}
	}
	if _, err := os.Stat(name); err == nil || !isDigest(name) {
		return inspect(name)
	}
	err = a.withClient(c, func(ctx context.Context, server *client.Client) error {
		m, err := server.Module(ctx, name)
		if err != nil {
			return err
		}
		i = inspectionOf(m)
		i.Verdict.Fits = true // it has been taken in
		return nil
	})
	return i, nil, err
}

// isDigest reports whether a name could be the start of a digest.
func isDigest(name string) bool {
	const shortest = 8
	return len(name) >= shortest && len(name) <= 2*sha256.Size && strings.Trim(name, "0123456789abcdef") == ""
}

// inspect reads the file.
func inspect(file string) (i *inspection, refusal, err error) {
	wasm, err := readFile(file)
	if err != nil {
		return nil, nil, err
	}
	return inspectBytes(file, wasm)
}

func inspectBytes(file string, wasm []byte) (i *inspection, refusal, err error) {
	info, err := wasmbin.Read(wasm)
	if err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(wasm)
	m := spec.Module{Digest: hex.EncodeToString(sum[:]), Size: int64(len(wasm)), Imports: importsOf(info), Exports: exportsOf(info)}
	manifest, refusal := manifestIn(wasm)
	if refusal == nil {
		refusal = admissible(info, manifest)
	}
	if manifest != nil {
		m.Manifest = *manifest
	}
	v := control.ModuleView{Module: m, Anatomy: control.Dissect(info), Needs: control.Needs(m, offer())}
	v.Can, v.Cannot = control.Describe(m, offer())
	i = inspectionOf(api.ModuleForm(v))
	i.File, i.Manifest, i.Verdict = file, manifest, verdict{Fits: refusal == nil}
	if f := fault.Of(refusal); f != nil {
		i.Verdict = verdict{Code: f.Kind.String(), Detail: f.Text, Hint: f.Advice()}
	}
	return i, refusal, nil
}

// inspectionOf is a module as `inspect` shows it.
func inspectionOf(m client.Module) *inspection {
	return &inspection{
		Digest: m.Digest, Size: m.Size, Manifest: &m.Manifest, Imports: m.Imports, Exports: m.Exports,
		Anatomy: m.Anatomy, Can: m.Can, Cannot: m.Cannot, Needs: append([]client.Need{}, m.Needs...),
	}
}

// module is what there is to compare of it.
func (i *inspection) module() spec.Module {
	m := spec.Module{Digest: i.Digest, Imports: i.Imports, Exports: i.Exports}
	if i.Manifest != nil {
		m.Manifest = *i.Manifest
	}
	return m
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
	list := []spec.Import{} // [] rather than null
	for _, imp := range info.Imports {
		list = append(list, spec.Import{Module: imp.Module, Function: imp.Name})
	}
	return list
}

func exportsOf(info *wasmbin.Info) []string {
	list := []string{} // [] rather than null
	for _, e := range info.Exports {
		list = append(list, e.Name)
	}
	return list
}
