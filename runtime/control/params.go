package control

import (
	"context"
	"maps"
	"slices"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Params are the rows of a connector's configuration in the order in which they
// are put together, with the revision that they belong to.
func (t *Tenant) Params(ctx context.Context, idOrName string) (rows []spec.Param, revision uint64, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, 0, err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return nil, 0, err
	}
	param.Sort(c.Params)
	return c.Params, c.Revision, nil
}

// SetParams replaces all rows of a connector's configuration. A secret that
// comes without a value keeps the one that it has. Without rows the
// configuration is the connector's flat one again. revision as in
// UpdateConnector.
func (t *Tenant) SetParams(ctx context.Context, idOrName string, rows []spec.Param, revision uint64) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return ConnectorView{}, err
	}
	return t.reconfigure(ctx, idOrName, revision, func(w store.Writer, book *param.Book, c *spec.Connector, schema *param.Schema) error {
		return book.Write(w, c, rows, schema)
	})
}

// changedParams are the keys whose rows are others now, or came, or went.
// Values are nobody's business.
func changedParams(was, is []spec.Param) []string {
	keys := map[string]bool{}
	old := byKey(was)
	for key, row := range byKey(is) {
		before, there := old[key]
		keys[key] = !there || !sameParam(before, row)
		delete(old, key)
	}
	for key := range old {
		keys[key] = true
	}
	maps.DeleteFunc(keys, func(_ string, changed bool) bool { return !changed })
	return slices.Sorted(maps.Keys(keys))
}

func byKey(rows []spec.Param) map[string]spec.Param {
	all := make(map[string]spec.Param, len(rows))
	for _, row := range rows {
		all[row.Key] = row
	}
	return all
}

// sameParam reports whether two rows are one in all that can be seen.
func sameParam(a, b spec.Param) bool {
	var x, y spec.SecretInfo
	if a.Secret != nil {
		x = *a.Secret
	}
	if b.Secret != nil {
		y = *b.Secret
	}
	a.Secret, b.Secret = nil, nil
	return a == b && x.Set == y.Set && x.Fingerprint == y.Fingerprint && x.UpdatedAt.Equal(y.UpdatedAt)
}
