package param

import (
	"encoding/json"
	"slices"
	"strconv"

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

// ofStage is the config of a converter behind the first, by its place in Then.
func ofStage(c *spec.Connector, i int) site {
	n := strconv.Itoa(i)
	return site{connector: c.ID, at: "/converter/then/" + n + "/config", prefix: "converter.then." + n + "."}
}

// name is that of a sealed value, by its pointer.
func (s site) name(pointer string) string { return secret.OfConnector(s.connector, s.prefix+pointer) }

// WriteConverter gives a connector a converter with those behind it, or takes
// them away: what WriteConfig does with the connector's own config, it does with
// theirs. schema is that of the first one's module. What is changed is a copy,
// so that the caller's stays as it was given.
func (b *Book) WriteConverter(w store.Writer, c *spec.Connector, is *spec.Converter, schema *Schema) error {
	var was, held spec.Converter
	if c.Converter != nil {
		was = *c.Converter
	}
	if is != nil {
		held = *is
	}
	config, err := b.rewrite(w, ofConverter(c), was.Config, held.Config, schema)
	if err != nil {
		return err
	}
	held.Config = config
	if held.Then, err = b.rewriteStages(w, c, was.Then, held.Then); err != nil {
		return err
	}
	c.Converter = nil
	if is != nil {
		c.Converter = &held
	}
	return nil
}

// rewriteStages is rewrite for the converters behind the first one.
func (b *Book) rewriteStages(w store.Writer, c *spec.Connector, was, is []spec.Stage) ([]spec.Stage, error) {
	is = slices.Clone(is)
	for i := range max(len(was), len(is)) {
		var old, config json.RawMessage
		var schema *Schema
		if i < len(was) {
			old = was[i].Config
		}
		if i < len(is) {
			config = is[i].Config
			var err error
			if schema, err = b.Schema(w, is[i].Module); err != nil {
				return nil, err
			}
		}
		config, err := b.rewrite(w, ofStage(c, i), old, config, schema)
		if err != nil {
			return nil, err
		}
		if i < len(is) {
			is[i].Config = config
		}
	}
	return is, nil
}

// ConverterConfig is the config of a connector's converter: opened, what its
// guest gets; otherwise what may be shown. A connector without a converter has
// none. The error is as that of Config.
func (b *Book) ConverterConfig(r store.Reader, c *spec.Connector, open bool) (json.RawMessage, error) {
	if c.Converter == nil {
		return nil, nil
	}
	return b.converterConfig(r, ofConverter(c), c.Converter.Module, c.Converter.Config, open)
}

// StageConfig is ConverterConfig for a converter behind the first one, by its
// place in Then.
func (b *Book) StageConfig(r store.Reader, c *spec.Connector, i int, open bool) (json.RawMessage, error) {
	stage := c.Converter.Then[i]
	return b.converterConfig(r, ofStage(c, i), stage.Module, stage.Config, open)
}

func (b *Book) converterConfig(r store.Reader, at site, module string, config json.RawMessage, open bool) (json.RawMessage, error) {
	if len(config) == 0 {
		return nil, nil
	}
	schema, err := b.Schema(r, module)
	if err != nil {
		return nil, err
	}
	return b.told(r, at, config, schema, open)
}
