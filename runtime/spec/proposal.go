package spec

import "encoding/json"

// Proposal is what came with a module that others are to decide on: it grants
// nothing. A connector that is made of the module takes its config and limits
// where the caller gives none.
type Proposal struct {
	Config json.RawMessage `json:"config,omitempty"` // an object
	Limits Limits          `json:"limits,omitzero"`
	Grants []Grant         `json:"grants,omitempty"` // to approve
	// Notes say what of the origin does not hold here, and what takes its
	// place.
	Notes []string `json:"notes,omitempty"`
}
