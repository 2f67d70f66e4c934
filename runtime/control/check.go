package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of a connector's spec.
const (
	maxName     = 255
	maxConfig   = 64 << 10
	minInterval = 10 * time.Millisecond
)

// check validates what a caller wants a connector to be, and puts whole
// digests in the place of short ones. All faults are reported at once.
func (t *Tenant) check(ctx context.Context, in *ConnectorInput) error {
	var bad, above []fault.Field
	wrong := func(pointer, format string, args ...any) {
		bad = append(bad, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	}
	if in.Name == "" || utf8.RuneCountInString(in.Name) > maxName || !utf8.ValidString(in.Name) || strings.ContainsFunc(in.Name, unicode.IsControl) {
		wrong("/name", "has 1 to %d characters, none of them a control character", maxName)
	}
	if err := t.module(ctx, "/module", "/config", &in.Module, &in.Config, abi.KindConnector, wrong); err != nil {
		return err
	}
	if in.Converter != nil {
		if err := t.module(ctx, "/converter/module", "/converter/config", &in.Converter.Module, &in.Converter.Config, abi.KindConverter, wrong); err != nil {
			return err
		}
	}
	t.checkGrants(in.Grants, wrong)
	limits := limitCheck{ceiling: t.runtime.Ceiling(), wrong: wrong, above: func(pointer, format string, args ...any) {
		above = append(above, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	}}
	limits.check("/limits", &in.Limits)
	if in.Converter != nil {
		limits.check("/converter/limits", &in.Converter.Limits)
	}
	if i := in.Poll.Interval; i < 0 || (i > 0 && time.Duration(i) < minInterval) {
		wrong("/poll/interval", "is at least %s", minInterval)
	}
	if len(bad) == 0 {
		return aboveCeiling(above)
	}
	return invalid(append(bad, above...))
}

func invalid(bad []fault.Field) error {
	if len(bad) == 0 {
		return nil
	}
	return fault.New(fault.ConfigInvalid, "the connector is not valid: %s", summary(bad)).WithFields(bad...)
}

// present checks again that the modules are there, inside the transaction that
// names them: a module may have been deleted since check.
func (in *ConnectorInput) present(r store.Reader) error {
	digests := map[string]string{"/module": in.Module}
	if in.Converter != nil {
		digests["/converter/module"] = in.Converter.Module
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

// module checks a reference to a module and the config for it.
func (t *Tenant) module(ctx context.Context, at, configAt string, digest *string, config *json.RawMessage, kind abi.ModuleKind, wrong func(string, string, ...any)) error {
	if *digest == "" {
		wrong(at, "is required: the digest of an uploaded module")
		return nil
	}
	m, err := t.shelf.Get(ctx, *digest)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		wrong(at, "%s", err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	*digest = m.Digest
	if m.Manifest.Kind != kind {
		wrong(at, "is a %s, and a %s is wanted here", m.Manifest.Kind, kind)
	}
	if len(*config) > maxConfig {
		wrong(configAt, "has at most %d bytes", maxConfig)
		return nil
	}
	schema, err := t.shelf.Schema(m.Manifest.ConfigSchema)
	if err != nil {
		return err
	}
	fields, err := schema.Check(*config, configAt)
	if err != nil {
		return err
	}
	for _, f := range fields {
		wrong(f.Pointer, "%s", f.Detail)
	}
	return nil
}
