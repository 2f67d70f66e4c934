package param

import (
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// site is one of the flat configs of a connector: its own, or its converter's.
type site struct {
	connector string
	at        string // where it stands in the connector
	prefix    string // of its pointers, in the names of what is sealed of it
}

func ofGuest(c *spec.Connector) site { return site{connector: c.ID, at: "/config"} }

// ofConverter has a prefix that makes names which are those of no row, since no
// part of a key begins with a slash, and of nothing in the connector's own
// config, since those begin with one.
func ofConverter(c *spec.Connector) site {
	return site{connector: c.ID, at: "/converter/config", prefix: "converter."}
}

// name is that of a sealed value, by its pointer.
func (s site) name(pointer string) string { return secret.OfConnector(s.connector, s.prefix+pointer) }

// WriteConverter gives a connector a converter, or takes it away: what
// WriteConfig does with the connector's own config, it does with the
// converter's. schema is that of the converter's module. What is changed is a
// copy of it, so that the caller's stays as it was given.
func (b *Book) WriteConverter(w store.Writer, c *spec.Connector, is *spec.Converter, schema *Schema) error {
	var old, config json.RawMessage
	if c.Converter != nil {
		old = c.Converter.Config
	}
	if is != nil {
		config = is.Config
	}
	config, err := b.rewrite(w, ofConverter(c), old, config, schema)
	if err != nil {
		return err
	}
	c.Converter = nil
	if is != nil {
		held := *is
		held.Config = config
		c.Converter = &held
	}
	return nil
}

// ConverterConfig is the config of a connector's converter: opened, what its
// guest gets; otherwise what may be shown. A connector without a converter has
// none. The error is as that of Config.
func (b *Book) ConverterConfig(r store.Reader, c *spec.Connector, open bool) (json.RawMessage, error) {
	if c.Converter == nil || len(c.Converter.Config) == 0 {
		return nil, nil
	}
	schema, err := b.Schema(r, c.Converter.Module)
	if err != nil {
		return nil, err
	}
	return b.told(r, ofConverter(c), c.Converter.Config, schema, open)
}
