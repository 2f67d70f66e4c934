package param_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

const (
	digest   = "aaaa"
	password = "correct-horse-battery"
)

// rig is one tenant's book, with a connector of a module that has a schema.
type rig struct {
	*testing.T
	space  store.Space
	vault  *secret.Vault
	book   *param.Book
	schema *param.Schema
	c      spec.Connector
}

func newRig(t *testing.T, schema string) *rig {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := secret.Open(t.Context(), st.System(), secret.KEK{1})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := keys.Vault(t.Context(), "plant")
	if err != nil {
		t.Fatal(err)
	}
	space, err := st.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, space: space, vault: vault, book: param.NewBook(vault), schema: parse(t, schema)}
	r.c = spec.Connector{ID: "con_1", Module: digest}
	r.module(schema)
	return r
}

func (r *rig) update(do func(store.Writer) error) error {
	r.Helper()
	return r.space.Update(r.Context(), do)
}

func (r *rig) module(schema string) {
	r.Helper()
	raw, err := json.Marshal(spec.Module{Digest: digest, Manifest: abi.Manifest{ConfigSchema: json.RawMessage(schema)}})
	if err != nil {
		r.Fatal(err)
	}
	r.must(r.update(func(w store.Writer) error {
		_, err := w.Put(store.Modules, digest, raw)
		return err
	}))
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) write(rows ...spec.Param) error {
	r.Helper()
	return r.update(func(w store.Writer) error { return r.book.Write(w, &r.c, rows, r.schema) })
}

func (r *rig) writeConfig(config string) error {
	r.Helper()
	return r.update(func(w store.Writer) error { return r.book.WriteConfig(w, &r.c, json.RawMessage(config), r.schema) })
}

func (r *rig) config(open bool) (config json.RawMessage, err error) {
	err = r.space.View(r.Context(), func(rd store.Reader) error {
		config, err = r.book.Config(rd, &r.c, open)
		return err
	})
	return config, err
}

// opened is what the guest gets.
func (r *rig) opened(want string) {
	r.Helper()
	if got, err := r.config(true); err != nil || string(got) != want {
		r.Errorf("the guest gets %s, %v\nwant %s", got, err, want)
	}
}

// sealed are the names of what is kept for the connector.
func (r *rig) sealed() (names []string) {
	r.Helper()
	r.must(r.space.View(r.Context(), func(rd store.Reader) error {
		list, err := r.vault.List(rd, secret.OfConnector("con_1", ""), "", 1000)
		for _, e := range list {
			names = append(names, strings.TrimPrefix(e.Name, "connector/con_1/"))
		}
		return err
	}))
	return names
}

// hidden sees that a text is nowhere in what is stored of the connector, nor
// in what is shown.
func (r *rig) hidden(text string) {
	r.Helper()
	stored, err := json.Marshal(r.c)
	r.must(err)
	shown, err := r.config(false)
	r.must(err)
	if bytes.Contains(stored, []byte(text)) || bytes.Contains(shown, []byte(text)) {
		r.Errorf("%s is in %s or in %s", text, stored, shown)
	}
}

const drive = `{"properties":{"client_id":{"type":"string"},"client_secret":{"type":"string","x-secret":true},"port":{"type":"integer"},"cert":{"type":"string"}}}`

func TestSecretsOfRowsAreSealed(t *testing.T) {
	r := newRig(t, drive)
	r.must(r.write(
		spec.Param{Key: "client_id", Value: "id"},
		spec.Param{Key: "client_secret", Value: password}, // by the schema
		spec.Param{Key: "own", Value: "my-own-secret", Type: spec.ParamSecret},
		spec.Param{Key: "port", Value: "80", Sequence: 5},
	))
	r.hidden(password)
	r.hidden("my-own-secret")
	r.opened(`{"port":80,"client_id":"id","client_secret":"` + password + `","own":"my-own-secret"}`)
	if got := r.sealed(); !slices.Equal(got, []string{"client_secret", "own"}) {
		t.Errorf("sealed: %v", got)
	}
	shown, err := r.config(false)
	r.must(err)
	var masked struct {
		Secret spec.SecretInfo `json:"client_secret"`
	}
	if err := json.Unmarshal(shown, &masked); err != nil || !masked.Secret.Set || masked.Secret.Fingerprint == "" || masked.Secret.UpdatedAt.IsZero() {
		t.Errorf("shown: %s, %v", shown, err)
	}
	if r.c.Params[0].Key != "port" || r.c.Params[1].Sequence != spec.DefaultSequence || r.c.Params[2].Type != spec.ParamSecret {
		t.Errorf("stored: %+v", r.c.Params)
	}
}

// TestSecretThatComesBackMaskedIsKept: as a row of its own form; without that,
// it is forgotten.
func TestSecretThatComesBackMaskedIsKept(t *testing.T) {
	r := newRig(t, drive)
	r.must(r.write(spec.Param{Key: "client_secret", Value: password}, spec.Param{Key: "port", Value: "1"}))
	rows := slices.Clone(r.c.Params)
	rows[1].Value = "2"
	r.must(r.write(rows...))
	r.opened(`{"client_secret":"` + password + `","port":2}`)
	r.must(r.write(spec.Param{Key: "client_secret"}))
	r.opened(`{}`)
	if got := r.sealed(); got != nil {
		t.Errorf("still sealed: %v", got)
	}
	err := r.write(rows...)
	if got := pointers(t, err); !slices.Equal(got, []string{"/params/0/secret"}) {
		t.Errorf("a mask of nothing: %v", got)
	}
	if len(r.c.Params) != 1 {
		t.Errorf("a refused write changed %v", r.c.Params)
	}
}

func TestUpsertLeavesOtherRows(t *testing.T) {
	r := newRig(t, drive)
	r.must(r.write(spec.Param{Key: "client_id", Value: "id"}, spec.Param{Key: "client_secret", Value: password}))
	upsert := func(pairs map[string]string) error {
		return r.update(func(w store.Writer) error { return r.book.Upsert(w, &r.c, pairs, r.schema) })
	}
	r.must(upsert(map[string]string{"refresh_token": "1//refresh", "client_id": "other"}))
	r.opened(`{"client_id":"other","client_secret":"` + password + `","refresh_token":"1//refresh"}`)
	r.hidden("1//refresh")
	r.must(upsert(map[string]string{"refresh_token": "2//refresh"}))
	if got := r.sealed(); !slices.Equal(got, []string{"client_secret", "refresh_token"}) {
		t.Errorf("sealed: %v", got)
	}
	if err := upsert(map[string]string{"client_id.x": "1"}); !fault.Is(err, fault.ConfigInvalid) {
		t.Errorf("a key that conflicts: %v", err)
	}
}

// TestUpsertOfAFlatConfig: it stays one, and keeps what is in it.
func TestUpsertOfAFlatConfig(t *testing.T) {
	r := newRig(t, drive)
	r.must(r.writeConfig(`{"port":1,"client_secret":"` + password + `"}`))
	r.must(r.update(func(w store.Writer) error {
		return r.book.Upsert(w, &r.c, map[string]string{"port": "2", "oauth.refresh_token": "1//refresh"}, r.schema)
	}))
	r.opened(`{"port":2,"client_secret":"` + password + `","oauth":{"refresh_token":"1//refresh"}}`)
	r.hidden("1//refresh")
	r.hidden(password)
}

const brokers = `{"properties":{"list":{"type":"array","items":{"properties":{"name":{"type":"string"},"password":{"type":"string","format":"password"}}}},
	"pin":{"type":"integer","x-secret":true},"tls":{"x-secret":true,"properties":{"key":{"type":"string"},"cert":{"type":"string"}}},"headers":{"additionalProperties":{"type":"string","writeOnly":true}}}}`

// TestSecretsOfAFlatConfigAreSealed: wherever the schema says, at any depth.
func TestSecretsOfAFlatConfigAreSealed(t *testing.T) {
	r := newRig(t, brokers)
	const config = `{"list":[{"name":"a","password":"first-password"},{"name":"b","password":"second-password"}],"pin":123456,"tls":{"key":"the-private-key","cert":""},"headers":{"x/y":"header-value"}}`
	r.must(r.writeConfig(config))
	for _, text := range []string{"first-password", "second-password", "123456", "the-private-key", "header-value"} {
		r.hidden(text)
	}
	r.opened(config)
	if got := r.sealed(); !slices.Equal(got, []string{"/headers/x~1y", "/list/0/password", "/list/1/password", "/pin", "/tls/key"}) {
		t.Errorf("sealed: %v", got)
	}
	stored := string(r.c.Config)
	shown, err := r.config(false)
	r.must(err)
	r.must(r.writeConfig(string(shown))) // what was read comes back
	r.opened(config)
	if string(r.c.Config) != stored {
		t.Errorf("what came back unchanged is stored as %s\nand was %s", r.c.Config, stored)
	}
	r.must(r.writeConfig(stored)) // and in the form in which it is stored
	r.opened(config)
}

// TestMaskedSecretFollowsItsItem: when a list is put in another order.
func TestMaskedSecretFollowsItsItem(t *testing.T) {
	r := newRig(t, brokers)
	r.must(r.writeConfig(`{"list":[{"name":"a","password":"first-password"},{"name":"b","password":"second-password"},{"name":"c","password":"third-password"}]}`))
	var shown struct{ List []json.RawMessage }
	raw, err := r.config(false)
	r.must(err)
	r.must(json.Unmarshal(raw, &shown))
	r.must(r.writeConfig(`{"list":[` + string(shown.List[2]) + `,` + string(shown.List[0]) + `]}`))
	r.opened(`{"list":[{"name":"c","password":"third-password"},{"name":"a","password":"first-password"}]}`)
	if got := r.sealed(); !slices.Equal(got, []string{"/list/0/password", "/list/1/password"}) {
		t.Errorf("sealed: %v", got)
	}
}

func TestMaskOfNothingIsRefused(t *testing.T) {
	r := newRig(t, brokers)
	for config, pointer := range map[string]string{
		`{"list":[{"password":{"set":true,"fingerprint":"abc"}}]}`: "/config/list/0/password",
		`{"pin":{"set":true}}`:              "/config/pin",
		`{"free":{"$secret":{"set":true}}}`: "/config/free",
		`{"tls":{"$secret":{"set":true}}}`:  "/config/tls",
	} {
		if got := pointers(t, r.writeConfig(config)); !slices.Equal(got, []string{pointer}) {
			t.Errorf("%s: %v", config, got)
		}
	}
	r.must(r.writeConfig(`{"pin":{"set":false},"list":[{"password":""}]}`))
	r.opened(`{"pin":null,"list":[{"password":""}]}`)
}

// TestSecretOfBeforeTheSchemaIsHidden: a value that was stored in the open is
// never shown, is kept when it comes back masked, and sealed then.
func TestSecretOfBeforeTheSchemaIsHidden(t *testing.T) {
	r := newRig(t, brokers)
	r.c.Config = json.RawMessage(`{"pin":123456,"list":[{"password":"first-password"}]}`)
	r.opened(string(r.c.Config))
	shown, err := r.config(false)
	r.must(err)
	if want := `{"pin":{"set":true},"list":[{"password":{"set":true}}]}`; string(shown) != want {
		t.Errorf("shown: %s", shown)
	}
	r.must(r.writeConfig(string(shown)))
	r.hidden("first-password")
	r.opened(`{"pin":123456,"list":[{"password":"first-password"}]}`)
}

func TestForgottenConnectorLeavesNoSecret(t *testing.T) {
	r := newRig(t, drive)
	r.must(r.writeConfig(`{"client_secret":"` + password + `"}`))
	r.must(r.write(spec.Param{Key: "own", Value: password, Type: spec.ParamSecret}))
	r.must(r.update(func(w store.Writer) error { return r.book.Forget(w, &r.c) }))
	if got := r.sealed(); got != nil {
		t.Errorf("left: %v", got)
	}
}

// TestRowsGoBeforeTheFlatConfig: which is used when there are none.
func TestRowsGoBeforeTheFlatConfig(t *testing.T) {
	r := newRig(t, drive)
	r.must(r.writeConfig(`{"client_id":"flat"}`))
	r.opened(`{"client_id":"flat"}`)
	r.must(r.write(spec.Param{Key: "client_id", Value: "row"}))
	r.opened(`{"client_id":"row"}`)
	r.must(r.write())
	r.opened(`{"client_id":"flat"}`)
	r.must(r.writeConfig(""))
	r.opened("")
}

// TestSchemaIsThatOfTheModuleNow: a module that was uploaded anew beside
// another manifest.
func TestSchemaIsThatOfTheModuleNow(t *testing.T) {
	r := newRig(t, drive)
	r.must(r.write(spec.Param{Key: "port", Value: "80"}))
	r.opened(`{"port":80}`)
	r.module(`{"properties":{"port":{"type":"string"}}}`)
	r.opened(`{"port":"80"}`)
}

func (r *rig) file(name string, content []byte) string {
	r.Helper()
	f := spec.File{ID: "fil_" + name, Name: name}
	r.must(r.update(func(w store.Writer) (err error) {
		f, err = param.PutFile(w, f, content)
		return err
	}))
	return f.ID
}

func TestFilesAreReadIntoTheConfig(t *testing.T) {
	r := newRig(t, drive)
	text, bin := r.file("text", []byte("-----BEGIN\n\"ü\"\n")), r.file("bin", []byte{0xff, 0, 1})
	r.must(r.write(
		spec.Param{Key: "cert", Type: spec.ParamFile, FileID: text},
		spec.Param{Key: "der", Type: spec.ParamFile, FileID: bin, Encoding: param.Base64},
	))
	r.opened(`{"cert":"-----BEGIN\n\"ü\"\n","der":"/wAB"}`)
	if shown, err := r.config(false); err != nil || bytes.Contains(shown, []byte("BEGIN")) || bytes.Contains(shown, []byte("wAB")) ||
		!bytes.Contains(shown, []byte(`"cert":{"id":"fil_text","name":"text"`)) {
		t.Errorf("files are shown as %s, %v", shown, err)
	}
	r.must(r.write(spec.Param{Key: "cert", Type: spec.ParamFile, FileID: bin}))
	_, err := r.config(true)
	if got := pointers(t, err); !slices.Equal(got, []string{"/cert"}) || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a file that is not UTF-8: %v", err)
	}
	err = r.write(spec.Param{Key: "cert", Type: spec.ParamFile, FileID: "fil_gone"})
	if got := pointers(t, err); !slices.Equal(got, []string{"/params/0/file_id"}) {
		t.Errorf("no such file: %v", got)
	}
	r.must(r.write(spec.Param{Key: "client_secret", Type: spec.ParamFile, FileID: text}))
	if shown, err := r.config(false); err != nil || string(shown) != `{"client_secret":{"set":true}}` {
		t.Errorf("a secret in a file is shown: %s, %v", shown, err)
	}
}

// TestDeletedFileLeavesItsRows: without a file, which is a config error.
func TestDeletedFileLeavesItsRows(t *testing.T) {
	r := newRig(t, drive)
	one, two := r.file("one", []byte("1")), r.file("two", []byte("2"))
	r.must(r.write(spec.Param{Key: "cert", Type: spec.ParamFile, FileID: one}, spec.Param{Key: "key", Type: spec.ParamFile, FileID: two}))
	var stored []spec.Connector
	r.must(r.update(func(w store.Writer) error {
		raw, err := json.Marshal(r.c)
		if err != nil {
			return err
		}
		if _, err := w.Put(store.Connectors, r.c.ID, raw); err != nil {
			return err
		}
		_, err = w.Put(store.Connectors, "con_2", []byte(`{"id":"con_2"}`))
		return err
	}))
	remove := func(id string) error {
		return r.update(func(w store.Writer) error {
			stored = nil
			return param.DeleteFile(w, id, func(c *spec.Connector) error {
				stored = append(stored, *c)
				return nil
			})
		})
	}
	r.must(remove(one))
	if len(stored) != 1 || stored[0].Params[0].FileID != "" || stored[0].Params[1].FileID != two {
		t.Fatalf("changed: %+v", stored)
	}
	r.c = stored[0]
	_, err := r.config(true)
	if got := pointers(t, err); !slices.Equal(got, []string{"/cert"}) {
		t.Errorf("assembled without its file: %v", err)
	}
	if err := remove(one); !fault.Is(err, fault.NotFound) {
		t.Errorf("removed twice: %v", err)
	}
	r.must(r.write(r.c.Params[1]))
	r.opened(`{"key":"2"}`)
}

func TestFilesHaveBounds(t *testing.T) {
	r := newRig(t, drive)
	put := func(f spec.File, content []byte) error {
		return r.update(func(w store.Writer) error {
			_, err := param.PutFile(w, f, content)
			return err
		})
	}
	good := spec.File{ID: "fil_a", Name: "a", MIME: "text/plain; charset=utf-8"}
	for _, f := range []spec.File{{ID: "fil_a"}, {ID: "fil_a", Name: "a\nb"}, {ID: "fil_a", Name: strings.Repeat("n", 256)}, {ID: "fil_a", Name: "a", MIME: "<b>"}} {
		if err := put(f, []byte("x")); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if err := put(good, make([]byte, param.MaxFile+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := put(good, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("empty: %v", err)
	}
	r.must(put(good, make([]byte, param.MaxFile)))
	r.must(r.space.View(t.Context(), func(rd store.Reader) error {
		f, content, err := param.GetFile(rd, "fil_a")
		if err != nil || len(content) != param.MaxFile || f.Size != param.MaxFile || f.MIME != "text/plain" || len(f.Digest) != 64 {
			t.Errorf("%+v, %v", f, err)
		}
		if _, err := param.FileInfo(rd, "content/fil_a"); !fault.Is(err, fault.NotFound) {
			t.Errorf("its content is a file: %v", err)
		}
		list, err := param.ListFiles(rd, "", 10)
		if err != nil || len(list) != 1 || list[0] != f {
			t.Errorf("%+v, %v", list, err)
		}
		return nil
	}))
}

// TestWithoutKeysThereAreNoSecrets: and all else works.
func TestWithoutKeysThereAreNoSecrets(t *testing.T) {
	r := newRig(t, drive)
	r.book = param.NewBook(nil)
	r.must(r.write(spec.Param{Key: "port", Value: "80"}))
	r.opened(`{"port":80}`)
	if err := r.write(spec.Param{Key: "client_secret", Value: password}); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("sealed without a key: %v", err)
	}
}
