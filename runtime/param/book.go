package param

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Book is the parameters of one tenant's connectors. Its methods belong into a
// transaction of the tenant's space; those that write change the connector
// that they are given, and leave it to the caller to store it. It is safe for
// concurrent use.
type Book struct {
	vault *secret.Vault

	mu      sync.Mutex
	modules map[string]*known // by digest
}

// known is a module, and the version of its record.
type known struct {
	version uint64
	module  spec.Module
	schema  *Schema
	err     error // of the schema
}

// NewBook is the book of the vault's tenant. With a nil vault there are no
// secrets: everything that needs one fails.
func NewBook(vault *secret.Vault) *Book {
	return &Book{vault: vault, modules: map[string]*known{}}
}

// Schema is the config schema of one of the tenant's modules; nil: there is
// none, or no such module.
func (b *Book) Schema(r store.Reader, digest string) (*Schema, error) {
	k, err := b.known(r, digest)
	if k == nil || err != nil {
		return nil, err
	}
	return k.schema, k.err
}

// Module is one of the tenant's modules; nil: there is no such. All callers
// share it, and none may change it.
func (b *Book) Module(r store.Reader, digest string) (*spec.Module, error) {
	k, err := b.known(r, digest)
	if k == nil || err != nil {
		return nil, err
	}
	return &k.module, nil
}

// known is what a module's record says, which is read once.
func (b *Book) known(r store.Reader, digest string) (*known, error) {
	e, err := r.Get(store.Modules, digest)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	k := b.modules[digest]
	b.mu.Unlock()
	if k != nil && k.version == e.Version {
		return k, nil
	}
	k = &known{version: e.Version}
	if err := json.Unmarshal(e.Value, &k.module); err != nil {
		return nil, fault.Wrap(fault.Integrity, err, "module %s", digest)
	}
	k.schema, k.err = ParseSchema(k.module.Manifest.ConfigSchema)
	const most = 100
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.modules) >= most {
		clear(b.modules)
	}
	b.modules[digest] = k
	return k, nil
}

// Write replaces all rows of a connector. Secret values are sealed, and so is a
// text at a key that the schema calls a secret; a row that comes with Secret
// and without a value keeps the value that is there. A sequence of 0 is none:
// DefaultSequence. The error is fault.ConfigInvalid with pointers from /params
// on.
func (b *Book) Write(w store.Writer, c *spec.Connector, rows []spec.Param, schema *Schema) error {
	if err := invalid(Check(rows, "/params")); err != nil {
		return err
	}
	rows = slices.Clone(rows)
	sealed := map[string]bool{}
	var bad []fault.Field
	for i := range rows {
		row := &rows[i]
		if row.Type == "" {
			row.Type = spec.ParamText
		}
		if row.Type == spec.ParamText && schema.Secret(row.Key) {
			row.Type = spec.ParamSecret
		}
		if row.Sequence == 0 {
			row.Sequence = spec.DefaultSequence
		}
		wrong, err := b.settle(w, c.ID, row)
		if err != nil {
			return err
		}
		for field, detail := range wrong {
			bad = append(bad, fault.Field{Pointer: "/params/" + itoa(i) + "/" + field, Detail: detail})
		}
		sealed[row.Key] = row.Secret != nil && row.Secret.Set
	}
	if err := invalid(bad); err != nil {
		return err
	}
	for _, old := range c.Params {
		if !sealed[old.Key] && old.Secret != nil {
			if err := b.drop(w, c.ID, old.Key); err != nil {
				return err
			}
		}
	}
	Sort(rows)
	c.Params = rows
	return nil
}

// settle makes of a row what is stored of it. wrong is what is wrong with
// which of its fields.
func (b *Book) settle(w store.Writer, connector string, row *spec.Param) (wrong map[string]string, err error) {
	given := row.Secret
	row.Secret = nil
	switch {
	case row.Type == spec.ParamFile && row.FileID != "":
		if _, err := FileInfo(w, row.FileID); fault.Is(err, fault.NotFound) {
			return map[string]string{"file_id": "names no file"}, nil
		} else if err != nil {
			return nil, err
		}
	case row.Type != spec.ParamSecret:
	case row.Value != "":
		info, err := b.vault.Seal(w, secret.OfConnector(connector, row.Key), []byte(row.Value))
		row.Value, row.Secret = "", &info
		return nil, err
	case given != nil && given.Set:
		e, err := b.vault.Info(w, secret.OfConnector(connector, row.Key))
		if fault.Is(err, fault.SecretMissing) {
			return map[string]string{"secret": "is said to be set, and no value is kept: give one"}, nil //nolint:gosec // it is a sentence
		}
		row.Secret = &e.SecretInfo
		return nil, err
	default:
		row.Secret = &spec.SecretInfo{}
	}
	return nil, nil
}

func (b *Book) drop(w store.Writer, connector, key string) error {
	if b.vault == nil {
		return nil // nothing was sealed
	}
	err := b.vault.Drop(w, secret.OfConnector(connector, key))
	if fault.Is(err, fault.SecretMissing) {
		return nil
	}
	return err
}

// Upsert sets some keys and leaves the others: what an exchange of tokens
// answers. A key that the schema does not know, or calls a secret, becomes one.
// A connector without rows has them set in its flat config.
func (b *Book) Upsert(w store.Writer, c *spec.Connector, pairs map[string]string, schema *Schema) error {
	if len(c.Params) == 0 && len(c.Config) > 0 {
		return b.upsertConfig(w, c, pairs, schema)
	}
	rows := slices.Clone(c.Params)
	last := 0
	for _, row := range rows {
		last = max(last, row.Sequence)
	}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		i := slices.IndexFunc(rows, func(row spec.Param) bool { return row.Key == key })
		if i < 0 {
			last += spec.DefaultSequence
			i = len(rows)
			rows = append(rows, spec.Param{Key: key, Type: spec.ParamText, Sequence: last})
		}
		if rows[i].Type == spec.ParamFile {
			rows[i].Type, rows[i].FileID, rows[i].Encoding = spec.ParamText, "", ""
		}
		if schema.Secret(key) || !schema.Knows(key) {
			rows[i].Type = spec.ParamSecret
		}
		rows[i].Value, rows[i].Secret = pairs[key], nil
	}
	return b.Write(w, c, rows, schema)
}

// Forget forgets the secrets of a connector that is deleted, those that the host
// made for it as well.
func (b *Book) Forget(w store.Writer, c *spec.Connector) error {
	if err := b.vault.DropAll(w, secret.OfHost(c.ID, "")); err != nil {
		return err
	}
	return b.vault.DropAll(w, secret.OfConnector(c.ID, ""))
}

// Config is what a connector's rows make of its config, or its flat config when
// it has no rows. Opened it is what the guest gets. Otherwise it is what may be
// shown: in the place of a secret is what may be known of it, and in the place
// of a file, which may be a key, its spec.File. The error is
// fault.ConfigInvalid with pointers into the config: a file that was removed, a
// text that is not of the type that the schema wants.
func (b *Book) Config(r store.Reader, c *spec.Connector, open bool) (json.RawMessage, error) {
	schema, err := b.Schema(r, c.Module)
	if err != nil {
		return nil, err
	}
	return b.ConfigBy(r, c, schema, open)
}

// ConfigBy is Config for who has the schema of the connector's module already.
func (b *Book) ConfigBy(r store.Reader, c *spec.Connector, schema *Schema, open bool) (json.RawMessage, error) {
	if len(c.Params) == 0 {
		return b.flatConfig(r, c, schema, open)
	}
	return schema.assemble(c.Params, func(row spec.Param) (json.RawMessage, bool, error) {
		hidden := row.Type == spec.ParamSecret || schema.Secret(row.Key)
		if hidden && !open {
			raw, err := shown(row)
			return raw, true, err
		}
		if row.Type == spec.ParamFile && !open {
			return shownFile(r, row)
		}
		text, present, err := b.text(r, c.ID, row)
		if err != nil || !present {
			return nil, false, err
		}
		return schema.convert(row.Key, text)
	})
}

// text is a row's text; false: it has none.
func (b *Book) text(r store.Reader, connector string, row spec.Param) (text string, present bool, err error) {
	switch row.Type {
	case spec.ParamSecret:
		if row.Secret == nil || !row.Secret.Set {
			return "", false, nil
		}
		value, _, err := b.vault.Unseal(r, secret.OfConnector(connector, row.Key))
		return string(value), true, err
	case spec.ParamFile:
		if row.FileID == "" {
			return "", false, errNoFile()
		}
		_, content, err := GetFile(r, row.FileID)
		switch {
		case fault.Is(err, fault.NotFound):
			return "", false, errFileGone()
		case err != nil:
			return "", false, err
		case row.Encoding == Base64:
			return base64.StdEncoding.EncodeToString(content), true, nil
		case !utf8.Valid(content):
			return "", false, fault.New(fault.ConfigInvalid, "refers to a file that is not UTF-8: set the row's encoding to base64 if the module expects that")
		}
		return string(content), true, nil
	default:
		return row.Value, true, nil
	}
}

// shown is what is shown in the place of a secret.
func shown(row spec.Param) (json.RawMessage, error) {
	info := spec.SecretInfo{Set: row.Value != "" || row.FileID != ""}
	if row.Secret != nil {
		info = *row.Secret
	}
	raw, err := json.Marshal(info)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "secret")
	}
	return raw, nil
}

// shownFile is what is shown in the place of a file's content; false: there is
// no file.
func shownFile(r store.Reader, row spec.Param) (json.RawMessage, bool, error) {
	if row.FileID == "" {
		return nil, false, errNoFile()
	}
	f, err := FileInfo(r, row.FileID)
	if fault.Is(err, fault.NotFound) {
		return nil, false, errFileGone()
	}
	if err != nil {
		return nil, false, err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return nil, false, fault.Wrap(fault.Internal, err, "file")
	}
	return raw, true, nil
}

func errNoFile() error {
	return fault.New(fault.ConfigInvalid, "has no file: it was removed, or none was chosen")
}

func errFileGone() error {
	return fault.New(fault.ConfigInvalid, "refers to a file that does not exist")
}
