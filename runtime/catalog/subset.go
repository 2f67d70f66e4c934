package catalog

import (
	"encoding/json"
	"fmt"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
)

// admitSchema refuses a config schema that is beyond the budget, or that nobody
// could fill in a form of. What was admitted before either rule goes on.
func (s *Shelf) admitSchema(raw json.RawMessage) error {
	if _, err := s.Schema(raw); err != nil {
		return err
	}
	schema, err := param.ParseSchema(raw)
	if err != nil {
		return err
	}
	outside := schema.Outside()
	if len(outside) == 0 {
		return nil
	}
	text := outside[0].Pointer + " " + outside[0].Detail
	if len(outside) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(outside)-1)
	}
	return fault.New(fault.ManifestInvalid, "the manifest's %s", text).WithFields(outside...)
}

// asJSONSchema is a config schema in the form that a validator reads.
func asJSONSchema(raw json.RawMessage) (json.RawMessage, error) {
	for _, c := range raw {
		switch c {
		case ' ', '\t', '\r', '\n':
		case '[':
			s, err := param.ParseSchema(raw)
			return s.JSON(), err
		default:
			return raw, nil
		}
	}
	return raw, nil
}
