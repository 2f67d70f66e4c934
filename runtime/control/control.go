// Package control is what the verbs of the API and the command line mean: one
// transaction each, over desired state, after which the supervisor makes it
// true. Every rule of the product lives here or below; the API above only
// carries requests in and answers out.
//
// A Service is one per process; Service.Tenant narrows it once, and nothing
// behind a Tenant takes a tenant id (I3). All methods are safe for use by
// several goroutines; errors are faults.
package control

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// ConnectorInput is what a caller may set of a connector.
type ConnectorInput struct {
	Name      string
	Module    string // digest, or an unambiguous prefix of at least 8 digits
	Config    json.RawMessage
	Converter *spec.Converter
	Grants    []spec.Grant
	Limits    spec.Limits
	Poll      spec.Poll
	// Consent holds the digests of modules whose wider demands the caller has
	// read; see fault.ConsentRequired.
	Consent []string
}

// ConnectorView is a connector with what is known of it now.
type ConnectorView struct {
	spec.Connector
	Runtime lifecycle.Status
	// Warnings say which grants do nothing, and which are missing. A list does
	// not have them.
	Warnings []string
}

// TestResult is the outcome of a connection test.
type TestResult struct {
	Success bool
	Message string // ≤ 512 bytes
	Details map[string]string
	Latency time.Duration
	At      time.Time
}

// ModuleView is a module with what it can and cannot do in plain sentences.
type ModuleView struct {
	spec.Module
	Anatomy Anatomy
	Can     []string
	Cannot  []string
	Needs   []Need
	UsedBy  []string // connector ids
}

// Record is one record of the stream.
type Record struct {
	Position  string // "block.index": a place to continue behind
	Key       string // connector/epoch/sequence: the same for ever
	Connector string
	Epoch     uint64
	Sequence  uint64
	Device    string
	Kind      string    // telemetry, attributes, event, gap
	Time      time.Time // of the device
	Received  time.Time
	Points    []abi.Point
	Content   string // content type of Payload
	Payload   []byte
	Headers   []abi.Header
}

// StreamOptions says where a stream starts and what it holds.
type StreamOptions struct {
	// After is the position behind which the stream starts; "": at the oldest
	// record that is kept; "now": with the next one.
	After     string
	Connector string // only this connector's; "": all
}

// LogLine is one line of a connector's log.
type LogLine struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Level    string    `json:"level"`
	Source   string    `json:"source"` // guest, host
	Target   string    `json:"target,omitempty"`
	Text     string    `json:"text"`
}

// Page is a part of a list.
type Page struct {
	After string // the Next of the page before; "": from the start
	Limit int    // 1 to 500; 0: 100
}
