package control

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// current refuses a change that was made against another revision.
func current(c *spec.Connector, revision uint64) error {
	if revision != 0 && revision != c.Revision {
		return fault.New(fault.StaleRevision, "connector %s is at revision %d, not %d", c.ID, c.Revision, revision)
	}
	return nil
}

// find reads a connector by id, else by name.
func find(r store.Reader, idOrName string) (c spec.Connector, err error) {
	_, err = findInto(r, idOrName, &c, nil)
	return c, err
}

// storedConnector is a connector as it was read a moment ago, and as it was stored then.
// Nothing that it refers to is changed in place.
type storedConnector struct {
	raw []byte
	spec.Connector
}

// findInto is find into a connector that is there already, and is how that is
// stored. One that is as it was when somebody held it need not be decoded again.
func findInto(r store.Reader, idOrName string, c *spec.Connector, was *storedConnector) (raw []byte, err error) {
	e, err := entryOf(r, idOrName)
	if err != nil {
		return nil, err
	}
	if was != nil && bytes.Equal(e.Value, was.raw) {
		*c = was.Connector
		return e.Value, nil
	}
	*c = spec.Connector{}
	if err := json.Unmarshal(e.Value, c); err != nil {
		return nil, fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
	}
	return e.Value, nil
}

func entryOf(r store.Reader, idOrName string) (e store.Entry, err error) {
	missing := func() error {
		return fault.New(fault.NotFound, "no connector %.300q", idOrName).WithHint("`snaprail connectors list` shows what there is")
	}
	if idOrName == "" {
		return e, missing()
	}
	if len(idOrName) <= store.MaxID {
		e, err = r.Get(store.Connectors, idOrName)
	}
	if len(idOrName) > store.MaxID || fault.Is(err, fault.NotFound) {
		var name store.Entry
		if name, err = r.Get(store.ConnectorNames, nameKey(idOrName)); fault.Is(err, fault.NotFound) {
			return e, missing()
		}
		if err == nil {
			e, err = r.Get(store.Connectors, string(name.Value))
		}
	}
	return e, err
}

func save(w store.Writer, c *spec.Connector) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "connector %s", c.ID)
	}
	_, err = w.Put(store.Connectors, c.ID, raw)
	return err
}

// takeName keeps names unique within a tenant.
func takeName(w store.Writer, name, id string) error {
	_, err := w.PutIf(store.ConnectorNames, nameKey(name), []byte(id), 0)
	if fault.Is(err, fault.Exists) {
		return fault.New(fault.Exists, "a connector named %q exists already", name)
	}
	return err
}

// nameKey is what a name is looked up by: the name, unless its 255 characters
// have more bytes than a key may have.
func nameKey(name string) string {
	if len(name) <= store.MaxID {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}
