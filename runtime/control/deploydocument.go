package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// order is a device document that was checked: what is to be deployed, by whom
// and with which config.
type order struct {
	doc    DeviceDocument
	parent spec.Connector
	module spec.Module
	config json.RawMessage // with its secrets
	want   deploy.Deployment
}

// ReadDeviceDocument reads a document strictly: what it does not know is an
// error.
func ReadDeviceDocument(raw json.RawMessage) (doc DeviceDocument, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return doc, fault.New(fault.Invalid, "the device's document cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return doc, nil
}

// order checks a document whole, and says of everything what is wrong with it.
func (t *Tenant) order(ctx context.Context, doc DeviceDocument) (o order, err error) {
	o.doc = doc
	if o.doc.Name == "" {
		o.doc.Name = doc.ID
	}
	doc = o.doc
	f := findings{}
	device := spec.Device{ID: doc.ID, Type: doc.DeviceType, Name: doc.Name, Tags: doc.Tags, Attributes: doc.Attributes, Endpoint: doc.Endpoint}
	if doc.ID == "" {
		f.wrong("/id", "is required")
	} else if err := device.Validate(); err != nil {
		f.wrong("", "is no device: %s", fault.Of(err).Text)
	}
	if n := len(doc.UUID); n > deploy.MaxUUID || strings.ContainsFunc(doc.UUID, foreign) || slices.Contains([]string{"orphans", ".", ".."}, doc.UUID) {
		f.wrong("/uuid", "has up to %d characters: letters, digits, and . _ : - between them", deploy.MaxUUID)
	}
	if f.fits("/config", doc.Config) && len(doc.Config) > 0 && !isObject(doc.Config) {
		f.wrong("/config", "is an object")
	}
	if err := f.of("device's document"); err != nil {
		return o, err
	}
	book, err := t.book(ctx)
	if err != nil {
		return o, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		if err := o.find(r); err != nil {
			return err
		}
		if err := o.configure(r, t, book); err != nil {
			return err
		}
		return o.plan(r)
	})
	return o, err
}

func foreign(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:-", r)
}

func isObject(raw json.RawMessage) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(raw, &fields) == nil && fields != nil
}

// find finds the connector that deploys devices of the type.
func (o *order) find(r store.Reader) error {
	var those []spec.Connector
	known := map[string]bool{}
	for e, err := range store.All(r, store.Connectors, "") {
		if err != nil {
			return err
		}
		var c spec.Connector
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
		}
		if c.Remote || c.Owner != "" {
			continue
		}
		m, err := moduleOf(r, c.Module)
		if fault.Is(err, fault.NotFound) || err == nil && !deploys(&m.Manifest) {
			continue
		}
		if err != nil {
			return err
		}
		known[c.ProviderType] = true
		if o.doc.Type != c.ProviderType && o.doc.Type != c.Category+"/"+c.ProviderType {
			continue
		}
		if o.doc.Connector == "" || o.doc.Connector == c.ID || o.doc.Connector == c.Name {
			those = append(those, c)
			o.parent, o.module = c, m
		}
	}
	if len(those) == 1 {
		return nil
	}
	return o.which(r, those, known)
}

// which takes the default one of several connectors, or says what there is.
func (o *order) which(r store.Reader, those []spec.Connector, known map[string]bool) error {
	for _, c := range those {
		if c.Default {
			m, err := moduleOf(r, c.Module)
			o.parent, o.module = c, m
			return err
		}
	}
	wrong := func(pointer, format string, args ...any) error {
		detail := fmt.Sprintf(format, args...)
		return fault.New(fault.Invalid, "the device's document is not valid: %s %s", pointer, detail).
			WithFields(fault.Field{Pointer: pointer, Detail: detail})
	}
	var types []string
	for name := range known {
		types = append(types, name)
	}
	slices.Sort(types)
	switch {
	case len(types) == 0:
		return fault.Of(wrong("/type", "%.64q is unknown: no connector deploys devices yet", o.doc.Type)).
			WithHint("Create a connector of a module with the entry point deploy first.")
	case len(those) > 1:
		return wrong("/connector", "is required: several connectors are of the type %.64q", o.doc.Type)
	case o.doc.Connector != "" && (known[o.doc.Type] || strings.Contains(o.doc.Type, "/")):
		return wrong("/connector", "%.64q is none that deploys devices of the type %.64q", o.doc.Connector, o.doc.Type)
	}
	return fault.Of(wrong("/type", "%.64q is unknown: the types are %s", o.doc.Type, strings.Join(types, ", "))).
		WithHint("A type is that of a connector whose module has the entry point deploy.")
}

// configure puts the document's config over the connector's, and holds both to
// the schema of its module.
func (o *order) configure(r store.Reader, t *Tenant, book *param.Book) error {
	schema, err := book.Schema(r, o.parent.Module)
	if err != nil {
		return err
	}
	f := findings{}
	if rows, err := param.Flatten(o.doc.Config); len(o.doc.Config) > 0 && err == nil {
		for _, row := range rows {
			if schema.Secret(row.Key) && row.Value != "" && !param.RefersToSecret(row.Value) {
				f.wrong("/config/"+strings.ReplaceAll(row.Key, ".", "/"), "is a secret: set it at the connector, or name one as secret://NAME")
			}
		}
	}
	own, err := book.ConfigBy(r, &o.parent, schema, true)
	if err != nil {
		return err
	}
	if o.config, err = merged(own, o.doc.Config); err != nil {
		return err
	}
	if len(o.config) == 0 {
		o.config = json.RawMessage("{}")
	}
	bad, err := t.unfit(o.config, schema, configAt)
	if err != nil {
		return err
	}
	f.bad = append(f.bad, bad...)
	return f.of("device's document")
}

// plan makes the deployment that is wanted of the document.
func (o *order) plan(r store.Reader) error {
	d := &o.want
	has, err := deploy.Find(r, o.doc.ID)
	switch {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return err
	case o.doc.UUID == "" && has.Device == o.doc.ID:
		o.doc.UUID = has.UUID
	}
	d.UUID, d.Device, d.Name = o.doc.UUID, o.doc.ID, o.doc.Name
	d.Category, d.Type, d.Connector = o.parent.Category, o.parent.ProviderType, o.parent.ID
	raw, err := json.Marshal(o.doc)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "document")
	}
	if len(raw) > deploy.MaxDocument {
		return fault.New(fault.TooLarge, "the device's document has %d bytes, and %d are allowed", len(raw), deploy.MaxDocument)
	}
	d.Document = raw
	return nil
}

// device is what the guest is handed of the device.
func (o *order) device() json.RawMessage {
	raw, _ := json.Marshal(struct { //nolint:errchkjson // its parts were read from JSON
		UUID       string            `json:"uuid"`
		ID         string            `json:"id"`
		Type       string            `json:"type,omitempty"`
		Name       string            `json:"name"`
		Tags       map[string]string `json:"tags,omitempty"`
		Attributes json.RawMessage   `json:"attributes,omitempty"`
		Endpoint   string            `json:"endpoint,omitempty"`
		Config     json.RawMessage   `json:"config,omitempty"`
	}{o.want.UUID, o.doc.ID, o.doc.DeviceType, o.doc.Name, o.doc.Tags, o.doc.Attributes, o.doc.Endpoint, o.doc.Config})
	return raw
}
