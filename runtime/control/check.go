package control

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of a connector's spec.
const (
	maxName     = 255
	maxConfig   = 64 << 10
	minInterval = 10 * time.Millisecond
)

// findings is what a check has found out: what is wrong, and the module that the
// rest depends on. All faults are reported at once.
type findings struct {
	bad, above []fault.Field
	// Both are shared with others, who may not change them either.
	module    *spec.Module // nil: it is not there
	converter *spec.Module // nil: there is none, or it is not fit to have a config
}

func (f *findings) wrong(pointer, format string, args ...any) {
	f.bad = append(f.bad, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// err refuses what is wrong; nil: nothing is.
func (f *findings) err() error {
	if len(f.bad) == 0 {
		return aboveCeiling(f.above)
	}
	return invalid(append(slices.Clone(f.bad), f.above...))
}

// with is a copy, for a transaction that may run more than once: itself, when
// there is nothing to add.
func (f *findings) with(bad []fault.Field) *findings {
	if len(bad) == 0 {
		return f
	}
	g := *f
	g.bad = append(slices.Clone(f.bad), bad...)
	return &g
}

// check validates what a caller wants a connector to be, its configuration
// apart, and puts whole digests in the place of short ones. What is wrong is in
// the findings, unless the module itself is.
func (t *Tenant) check(ctx context.Context, in *ConnectorInput) (*findings, error) {
	f := &findings{}
	if in.Name == "" || utf8.RuneCountInString(in.Name) > maxName || !utf8.ValidString(in.Name) || strings.ContainsFunc(in.Name, unicode.IsControl) {
		f.wrong("/name", "has 1 to %d characters, none of them a control character", maxName)
	}
	if in.Set != "" && !setName(in.Set) {
		f.wrong("/set", "has 1 to %d characters: letters, digits, and . _ - between them", maxSetName)
	}
	checkMapping("/mapping", in.Mapping, f.wrong)
	if bad := in.Feed.Check(); bad != nil {
		f.wrong(bad.Pointer, "%s", bad.Detail)
	}
	if in.Remote {
		return f.remote(in)
	}
	var err error
	if f.module, err = t.module(ctx, "/module", &in.Module, abi.KindConnector, f); err != nil {
		return nil, err
	}
	f.typed(in)
	if f.module != nil && !f.module.Manifest.Delivers() && !in.Feed.Same(&spec.Feed{}) {
		f.wrong("/feed", "is for modules that deliver records, and this one has no deliver")
	}
	in.Config = orNoConfig(in.Config)
	fits := f.fits("/config", in.Config)
	if in.Converter != nil {
		if err := t.checkConverter(ctx, in, f); err != nil {
			return nil, err
		}
	}
	t.checkGrants(in.Grants, f.wrong)
	if err := t.mayGrant(in.Grants); err != nil && len(f.bad) == 0 {
		return nil, err
	}
	limits := limitCheck{ceiling: t.runtime.Ceiling(), wrong: f.wrong, above: func(pointer, format string, args ...any) {
		f.above = append(f.above, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	}}
	limits.check("/limits", &in.Limits)
	if in.Converter != nil {
		limits.check("/converter/limits", &in.Converter.Limits)
		for i := range in.Converter.Then {
			limits.check(stageAt(i)+"/limits", &in.Converter.Then[i].Limits)
		}
	}
	if i := in.Poll.Interval; i < 0 || (i > 0 && time.Duration(i) < minInterval) {
		f.wrong("/poll/interval", "is at least %s", minInterval)
	}
	if f.module == nil || !fits {
		return nil, f.err() // there is nothing to configure
	}
	return f, nil
}

// fits reports whether a config is small and flat enough to be looked into.
func (f *findings) fits(at string, config json.RawMessage) bool {
	switch {
	case len(config) > maxConfig:
		f.wrong(at, "has at most %d bytes", maxConfig)
	case param.TooDeep(config):
		f.wrong(at, "is nested deeper than %d levels", param.MaxJSONDepth)
	default:
		return true
	}
	return false
}

func invalid(bad []fault.Field) error {
	if len(bad) == 0 {
		return nil
	}
	f := fault.New(fault.ConfigInvalid, "the connector is not valid: %s", summary(bad)).WithFields(bad...)
	if !slices.ContainsFunc(bad, func(b fault.Field) bool { return !strings.HasPrefix(b.Pointer, "/grants/") }) {
		// These are no part of the module's schema, of which the table speaks.
		f.Hint = "Correct the named parts of the grants; `snaprail grants add --help` and `snaprail grants interlock --help` show what they may be."
	}
	return f
}

// present checks again that the modules are there, inside the transaction that
// names them: a module may have been deleted since check.
func (in *ConnectorInput) present(r store.Reader) error {
	digests := map[string]string{}
	if !in.Remote {
		digests["/module"] = in.Module
	}
	if in.Converter != nil {
		digests["/converter/module"] = in.Converter.Module
		for i, stage := range in.Converter.Then {
			digests[stageAt(i)+"/module"] = stage.Module
		}
	}
	for pointer, digest := range digests {
		if _, err := r.Get(store.Modules, digest); fault.Is(err, fault.NotFound) {
			return invalid([]fault.Field{{Pointer: pointer, Detail: "was deleted just now"}})
		} else if err != nil {
			return err
		}
	}
	return nil
}

func summary(bad []fault.Field) string {
	s := bad[0].Pointer + " " + bad[0].Detail
	if len(bad) > 1 {
		s += fmt.Sprintf(" (and %d more)", len(bad)-1)
	}
	return s
}

// named is the module with a digest, or with the only one that begins so.
// Nobody may change it.
func (t *Tenant) named(ctx context.Context, digest string) (*spec.Module, error) {
	const whole = 2 * sha256.Size
	if len(digest) == whole { // as it is stored; who reads many of one connector's kind need not decode each
		var known *spec.Module
		err := t.space.View(ctx, func(r store.Reader) (err error) {
			known, err = t.runtime.Book().Module(r, digest)
			return err
		})
		if err == nil && known != nil {
			return known, nil
		}
	}
	m, err := t.shelf.Get(ctx, digest)
	return &m, err
}

// module checks a reference to a module; nil: there is none of this kind.
func (t *Tenant) module(ctx context.Context, at string, digest *string, kind abi.ModuleKind, f *findings) (*spec.Module, error) {
	if *digest == "" {
		f.wrong(at, "is required: the digest of an uploaded module")
		return nil, nil
	}
	m, err := t.named(ctx, *digest)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		f.wrong(at, "%s", err.Error())
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	*digest = m.Digest
	sink := kind == abi.KindConnector && m.Manifest.Kind == abi.KindSink // a connector that only takes out
	if m.Manifest.Kind != kind && !sink {
		f.wrong(at, "is a %s, and a %s is wanted here", m.Manifest.Kind, kind)
		return nil, nil
	}
	return m, nil
}

// orNoConfig takes null for no config, as JSON has it of what is not set.
func orNoConfig(config json.RawMessage) json.RawMessage {
	if string(config) == "null" {
		return nil
	}
	return config
}

// checkConverter checks the converter, its config apart.
func (t *Tenant) checkConverter(ctx context.Context, in *ConnectorInput, f *findings) error {
	held := *in.Converter
	in.Converter = &held
	held.Config = orNoConfig(held.Config)
	if err := t.checkStages(ctx, &held, f); err != nil {
		return err
	}
	m, err := t.module(ctx, "/converter/module", &held.Module, abi.KindConverter, f)
	if err != nil {
		return err
	}
	if !f.fits(converterConfigAt, held.Config) {
		return nil
	}
	f.converter = m
	return nil
}
