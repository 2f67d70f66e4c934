package param_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

const frame = `{"properties":{"unit":{"type":"string"},"password":{"type":"string","x-secret":true}}}`

// converting is a rig whose connector may have a converter.
func converting(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, drive)
	raw, err := json.Marshal(spec.Module{Digest: "bbbb", Manifest: abi.Manifest{ConfigSchema: json.RawMessage(frame)}})
	r.must(err)
	r.must(r.update(func(w store.Writer) error {
		_, err := w.Put(store.Modules, "bbbb", raw)
		return err
	}))
	return r
}

func (r *rig) convert(config string) error {
	r.Helper()
	return r.update(func(w store.Writer) error {
		return r.book.WriteConverter(w, &r.c, &spec.Converter{Module: "bbbb", Config: json.RawMessage(config)}, parse(r.T, frame))
	})
}

func (r *rig) converterConfig(open bool) string {
	r.Helper()
	var config json.RawMessage
	r.must(r.space.View(r.Context(), func(rd store.Reader) (err error) {
		config, err = r.book.ConverterConfig(rd, &r.c, open)
		return err
	}))
	return string(config)
}

// TestSecretsOfAConverterAreSealed beside those of its connector, however their
// places are called, and kept when they come back masked.
func TestSecretsOfAConverterAreSealed(t *testing.T) {
	const config = `{"unit":"C","password":"of the converter"}`
	r := converting(t)
	r.must(r.writeConfig(`{"client_secret":"` + password + `"}`))
	r.must(r.convert(config))
	if got := r.sealed(); !slices.Equal(got, []string{"/client_secret", "converter./password"}) {
		t.Errorf("sealed: %v", got)
	}
	if bytes.Contains(r.c.Converter.Config, []byte("of the converter")) {
		t.Errorf("stored: %s", r.c.Converter.Config)
	}
	shown := r.converterConfig(false)
	if got := r.converterConfig(true); got != config || bytes.Contains([]byte(shown), []byte("of the converter")) {
		t.Errorf("the guest gets %s, shown is %s", got, shown)
	}
	stored := string(r.c.Converter.Config)
	r.must(r.convert(shown))
	if string(r.c.Converter.Config) != stored {
		t.Errorf("what came back unchanged is stored as %s\nand was %s", r.c.Converter.Config, stored)
	}
	r.must(r.writeConfig(`{}`)) // the connector's own is not the converter's
	if got := r.converterConfig(true); got != config {
		t.Errorf("without the connector's config: %s", got)
	}
	r.must(r.convert(`{"unit":"F"}`))
	if got := r.sealed(); got != nil {
		t.Errorf("left: %v", got)
	}
}

// TestConvertersSecretsGoWithIt, and with its connector.
func TestConvertersSecretsGoWithIt(t *testing.T) {
	r := converting(t)
	r.must(r.convert(`{"password":"of the converter"}`))
	r.must(r.update(func(w store.Writer) error { return r.book.WriteConverter(w, &r.c, nil, nil) }))
	if got := r.sealed(); got != nil || r.c.Converter != nil || r.converterConfig(true) != "" {
		t.Errorf("left: %v, %+v", got, r.c.Converter)
	}
	r.must(r.convert(`{"password":"of the converter"}`))
	r.must(r.update(func(w store.Writer) error { return r.book.Forget(w, &r.c) }))
	if got := r.sealed(); got != nil {
		t.Errorf("left: %v", got)
	}
}

// TestConverterHasNoSecretOfItsConnector: a mask stands for what was sealed at
// the same config alone.
func TestConverterHasNoSecretOfItsConnector(t *testing.T) {
	r := converting(t)
	r.must(r.writeConfig(`{"client_secret":"` + password + `"}`))
	var shown struct {
		Secret json.RawMessage `json:"client_secret"`
	}
	raw, err := r.config(false)
	r.must(err)
	r.must(json.Unmarshal(raw, &shown))
	for _, mask := range []string{string(shown.Secret), `{"$secret":` + string(shown.Secret) + `}`, `{"set":true}`} {
		err := r.convert(`{"password":` + mask + `}`)
		if got := pointers(t, err); !slices.Equal(got, []string{"/converter/config/password"}) || !fault.Is(err, fault.ConfigInvalid) || r.c.Converter != nil {
			t.Errorf("%s: %v, %+v", mask, err, r.c.Converter)
		}
	}
}

// TestConvertersSecretOfBeforeIsHidden: one that was stored in the open, since
// before configs of converters were sealed.
func TestConvertersSecretOfBeforeIsHidden(t *testing.T) {
	const config = `{"password":"of the converter"}`
	r := converting(t)
	r.c.Converter = &spec.Converter{Module: "bbbb", Config: json.RawMessage(config)}
	if got := r.converterConfig(true); got != config {
		t.Errorf("the guest gets %s", got)
	}
	if got := r.converterConfig(false); got != `{"password":{"set":true}}` {
		t.Errorf("shown: %s", got)
	}
	r.must(r.convert(r.converterConfig(false)))
	if got := r.converterConfig(true); got != config || bytes.Contains(r.c.Converter.Config, []byte("of the converter")) {
		t.Errorf("the guest gets %s of %s", got, r.c.Converter.Config)
	}
}
