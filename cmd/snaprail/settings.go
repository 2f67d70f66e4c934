package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
)

// settings are the flags that say what a connector is made of, beside a file or
// in place of one.
type settings struct {
	file, name, typ, version, module string
	params, files, secrets           []string
	from                             []string
	start                            string
	isDefault                        bool
}

func (s *settings) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&s.file, "file", "f", "", "JSON `file`; -: stdin")
	f.StringVar(&s.typ, "type", "", "`category/provider` that it is of")
	f.StringVar(&s.version, "version", "", "`version` of the type (default: the newest)")
	f.StringVar(&s.module, "module", "", "`digest` of a module, in place of a type")
	f.StringArrayVar(&s.params, "param", nil, "set a parameter: `key=value`")
	f.StringArrayVar(&s.files, "param-file", nil, "set a parameter to a file, which is uploaded: `key=path`")
	f.StringArrayVar(&s.secrets, "secret", nil, "set a secret parameter: `key` asks for its value or reads it from stdin, key=@path from a file")
	f.StringSliceVar(&s.from, "from", nil, "`names` of the connectors whose records a sink is handed (default: all)")
	f.StringVar(&s.start, "start", "", "`place` where a sink begins: now (the default), or oldest")
	f.BoolVar(&s.isDefault, "default", false, "make it the default of its category")
}

// plain reports whether nothing but a file says what is wanted.
func (s *settings) plain() bool {
	return s.name == "" && s.typ == "" && s.version == "" && s.module == "" && len(s.from) == 0 && s.start == "" && !s.isDefault && !s.parameters()
}

// parameters reports whether parameters are to be set.
func (s *settings) parameters() bool { return len(s.params)+len(s.files)+len(s.secrets) > 0 }

// fields are what the flags say, but for parameters.
func (s *settings) fields() (map[string]any, error) {
	fields := map[string]any{}
	if s.typ != "" {
		category, provider, ok := strings.Cut(s.typ, "/")
		if !ok || category == "" || provider == "" {
			return nil, fault.New(fault.Usage, "--type %q: want category/provider, as in storage/s3", s.typ)
		}
		fields["category"], fields["provider_type"] = category, provider
	}
	for name, value := range map[string]string{"name": s.name, "version": s.version, "module": s.module} {
		if value != "" {
			fields[name] = value
		}
	}
	if s.isDefault {
		fields["is_default"] = true
	}
	feed := map[string]any{}
	if len(s.from) > 0 {
		feed["from"] = s.from
	}
	if s.start != "" {
		feed["start"] = s.start
	}
	if len(feed) > 0 {
		fields["feed"] = feed
	}
	return fields, nil
}

// given is the JSON of the file, or of nothing where flags alone say what is
// wanted. It asks no server.
func (a *app) given(s *settings) (json.RawMessage, error) {
	if s.file == "" && !s.plain() {
		return json.RawMessage("{}"), nil
	}
	return a.jsonFile(s.file)
}

// made is the JSON of a connector with what the flags say.
func (a *app) made(ctx context.Context, api *client.Client, s *settings, body json.RawMessage) (json.RawMessage, error) {
	if s.plain() {
		return body, nil
	}
	var c map[string]any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&c); err != nil || c == nil {
		return nil, fault.New(fault.BodyInvalid, "%s is no JSON object", s.file)
	}
	fields, err := s.fields()
	if err != nil {
		return nil, err
	}
	if s.typ != "" && s.module == "" {
		delete(c, "module")
	}
	if feed, ok := c["feed"].(map[string]any); ok && fields["feed"] != nil { // the file has more of it
		maps.Copy(feed, fields["feed"].(map[string]any))
		fields["feed"] = feed
	}
	maps.Copy(c, fields)
	if s.parameters() {
		rows, err := rowsOf(body)
		if err != nil {
			return nil, err
		}
		schema, err := schemaOf(ctx, api, c)
		if err != nil {
			return nil, err
		}
		if c["params"], err = a.settled(ctx, api, s, rows, schema); err != nil {
			return nil, err
		}
	}
	return encoded(c)
}

// patchOf is the merge patch that the flags make of a connector that is there.
func (a *app) patchOf(ctx context.Context, api *client.Client, s *settings, id string) (json.RawMessage, error) {
	fields, err := s.fields()
	if err != nil {
		return nil, err
	}
	if s.parameters() {
		rows, err := api.Params(ctx, id)
		if err != nil {
			return nil, err
		}
		of := fields
		if s.typ == "" && s.module == "" {
			v, err := api.Connector(ctx, id)
			if err != nil {
				return nil, err
			}
			of = map[string]any{"module": v.Module}
		}
		schema, err := schemaOf(ctx, api, of)
		if err != nil {
			return nil, err
		}
		if fields["params"], err = a.settled(ctx, api, s, rows, schema); err != nil {
			return nil, err
		}
	}
	return encoded(fields)
}

// schemaOf is the schema of what a connector's JSON says that it is made of; nil
// when it says nothing, or what is not there, as the server will tell.
func schemaOf(ctx context.Context, api *client.Client, c map[string]any) (*param.Schema, error) {
	text := func(name string) string { s, _ := c[name].(string); return s }
	var raw json.RawMessage
	var err error
	if digest := text("module"); digest != "" {
		var m client.Module
		m, err = api.Module(ctx, digest)
		raw = m.Manifest.ConfigSchema
	} else if text("category") != "" && text("provider_type") != "" {
		var t client.TypeDetail
		t, err = api.Type(ctx, text("category"), text("provider_type"))
		raw = t.ConfigSchema
	}
	switch f := fault.Of(err); {
	case f == nil && len(raw) > 0:
		return param.ParseSchema(raw)
	case f == nil || f.Kind == fault.NotFound || f.Kind == fault.TypeUnknown || f.Kind == fault.Invalid:
		return nil, nil
	}
	return nil, err
}

func encoded(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "connector")
	}
	return raw, nil
}

func rowsOf(body json.RawMessage) ([]spec.Param, error) {
	var c struct{ Params []spec.Param }
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fault.Wrap(fault.BodyInvalid, err, "the params of the file")
	}
	return c.Params, nil
}

// settled are rows with those that the flags set.
func (a *app) settled(ctx context.Context, api *client.Client, s *settings, rows []spec.Param, schema *param.Schema) ([]spec.Param, error) {
	for _, text := range s.params {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, fault.New(fault.Usage, "--param %q: want key=value", fault.Clip(key, 80))
		}
		row := spec.Param{Key: key, Value: value, Type: spec.ParamText}
		i := rowAt(rows, key)
		secret := i >= 0 && rows[i].Type == spec.ParamSecret || schema != nil && schema.Secret(key)
		if secret && !param.RefersToSecret(value) {
			return nil, fault.New(fault.Usage, "%q is a secret, and the command line can be seen by others", key).
				WithHint("Use --secret %s, which asks for the value or reads it from stdin.", key)
		}
		rows = setRow(rows, row)
	}
	for _, text := range s.files {
		row, err := a.fileRow(ctx, api, text)
		if err != nil {
			return nil, err
		}
		rows = setRow(rows, row)
	}
	stdin := ""
	for _, text := range s.secrets {
		key, from, named := strings.Cut(text, "=")
		path, isFile := strings.CutPrefix(from, "@")
		if key == "" || named && (!isFile || path == "") {
			return nil, fault.New(fault.Usage, "--secret %q: want key, or key=@path", fault.Clip(key, 80)).
				WithHint("The value comes from stdin, a prompt or a file, and never from the command line, which others can see.")
		}
		if !named {
			if stdin != "" && !a.interactive() {
				return nil, fault.New(fault.Usage, "%q and %q cannot both come from stdin", stdin, key).WithHint("Give one of them as key=@path.")
			}
			stdin = key
		}
		value, err := a.readSecret(key, path)
		if err != nil {
			return nil, err
		}
		rows = setRow(rows, spec.Param{Key: key, Value: value, Type: spec.ParamSecret})
	}
	return rows, nil
}

// fileRow uploads a file and is the row that refers to it.
func (a *app) fileRow(ctx context.Context, api *client.Client, text string) (row spec.Param, err error) {
	key, path, ok := strings.Cut(text, "=")
	if !ok || key == "" || path == "" {
		return row, fault.New(fault.Usage, "--param-file %q: want key=path", fault.Clip(text, 80))
	}
	content, err := readFile(path)
	if err != nil {
		return row, err
	}
	f, err := api.AddFile(ctx, filepath.Base(path), "", bytes.NewReader(content))
	if err != nil {
		return row, err
	}
	return spec.Param{Key: key, FileID: f.ID, Type: spec.ParamFile}, nil
}

func rowAt(rows []spec.Param, key string) int {
	return slices.IndexFunc(rows, func(p spec.Param) bool { return p.Key == key })
}

// setRow puts a row in the place of the one with its key, or behind the last.
func setRow(rows []spec.Param, row spec.Param) []spec.Param {
	if i := rowAt(rows, row.Key); i >= 0 {
		row.Sequence = rows[i].Sequence
		rows[i] = row
		return rows
	}
	for _, other := range rows {
		row.Sequence = max(row.Sequence, other.Sequence)
	}
	row.Sequence += spec.DefaultSequence
	return append(rows, row)
}
