package lifecycle

import "github.com/snaprail/snaprail/runtime/spec"

// Limit is one limit of a connector with its present use.
type Limit struct {
	Name string    `json:"name"`
	Unit spec.Unit `json:"unit"`
	// Limit is what the guest is held to: what the connector's spec says, or
	// the default, under the tenant's ceiling.
	Limit float64 `json:"limit"`
	// Used is the use of now: bytes of memory, calls in the last second, the
	// length of the last call or of the last answer.
	Used float64 `json:"used"`
	// Peak is the highest use since the server was started, for what can be
	// read at a moment.
	Peak float64 `json:"peak,omitempty"`
	// Hits counts how often the limit was reached.
	Hits uint64 `json:"hits"`
}
