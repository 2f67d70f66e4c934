package control

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// ImportConfig replaces all rows of a connector's configuration by what an
// object, or a file, holds. The module may put it in order first: its
// normalize_import sees nothing but the object, and has no grants. What the
// schema does not allow changes nothing. revision as in UpdateConnector.
func (t *Tenant) ImportConfig(ctx context.Context, idOrName string, in Import, revision uint64) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return ConnectorView{}, err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return ConnectorView{}, err
	}
	object, err := in.object()
	if err != nil {
		return ConnectorView{}, err
	}
	if object, err = t.normalized(ctx, &c, object); err != nil {
		return ConnectorView{}, err
	}
	rows, err := param.Flatten(object)
	if err != nil {
		return ConnectorView{}, err
	}
	if len(rows) == 0 { // without rows, what was there before them would count again
		return ConnectorView{}, invalid([]fault.Field{{Pointer: configAt, Detail: "has nothing in it to import"}})
	}
	return t.reconfigure(ctx, c.ID, revision, func(w store.Writer, book *param.Book, now *spec.Connector, schema *param.Schema) error {
		if now.Module != c.Module {
			return fault.New(fault.StaleRevision, "the connector was given another module while its import was read")
		}
		return book.Write(w, now, rows, schema)
	})
}

// object is what is to be imported, whatever form it came in.
func (in *Import) object() (json.RawMessage, error) {
	if len(in.Object) > 0 {
		return in.Object, nil
	}
	if len(in.Body) == 0 {
		return nil, fault.New(fault.BodyInvalid, "there is nothing to import").
			WithHint("Send json_data, or file_content in base64, or a form with a file.").
			WithFields(fault.Field{Pointer: "/json_data", Detail: "is required, where there is no file"})
	}
	object, _, err := param.Import(in.Name, in.MIME, in.Body)
	return object, err
}

// normalized is what the module makes of an import; one that has nothing to say
// to it leaves it as it is.
func (t *Tenant) normalized(ctx context.Context, c *spec.Connector, object json.RawMessage) (json.RawMessage, error) {
	if c.Remote {
		return object, nil
	}
	m, err := t.shelf.Get(ctx, c.Module)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(m.Exports, abi.EntryNormalizeImport) {
		return object, nil
	}
	out, err := t.runtime.Ask(ctx, c, abi.EntryNormalizeImport, object, []spec.Grant{})
	if fault.Is(err, fault.Unsupported) {
		return object, nil
	}
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(out, &fields) != nil || fields == nil {
		return nil, fault.New(fault.Guest, "the module's normalize_import answered no JSON object")
	}
	return out, nil
}
