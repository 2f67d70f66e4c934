package client

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Connector is a connector as the API takes and serves it. What the server
// fills in is skipped when it is sent, so that what was read can be changed
// and sent back.
type Connector struct {
	ID        string          `json:"id" readOnly:"true" doc:"con_ and a ULID"`
	Name      string          `json:"name" doc:"Unique within the tenant; may stand in place of the id"`
	Module    string          `json:"module" doc:"Digest of the module, or its first digits, at least 8"`
	Config    json.RawMessage `json:"config,omitempty" doc:"What the module's config_schema asks for"`
	Converter *spec.Converter `json:"converter,omitempty" doc:"Module that turns the connector's records into records; none: they travel as they are"`
	Grants    []spec.Grant    `json:"grants,omitempty" doc:"What the connector may reach, and nothing else"`
	Limits    spec.Limits     `json:"limits,omitzero" doc:"Bounds of the guest; what is not set is the server's default"`
	Poll      spec.Poll       `json:"poll,omitzero" doc:"For modules in poll mode"`

	Enabled       bool                  `json:"enabled" readOnly:"true" doc:"Whether it is to run"`
	Status        spec.ConnectionStatus `json:"status" readOnly:"true" enum:"draft,connected,error" doc:"Outcome of the last connection test"`
	StatusMessage string                `json:"status_message,omitempty" readOnly:"true"`
	LastTestedAt  time.Time             `json:"last_tested_at,omitzero" readOnly:"true"`
	Created       time.Time             `json:"created" readOnly:"true"`
	Updated       time.Time             `json:"updated" readOnly:"true"`
	Revision      uint64                `json:"revision" readOnly:"true" doc:"Counts changes; the ETag"`
	Runtime       *lifecycle.Status     `json:"runtime,omitempty" readOnly:"true" doc:"What it does now"`
}

// Module is an uploaded module.
type Module struct {
	Digest   string        `json:"digest" doc:"SHA-256 in hex"`
	Size     int64         `json:"size" doc:"Bytes"`
	Manifest abi.Manifest  `json:"manifest"`
	Imports  []spec.Import `json:"imports"`
	Exports  []string      `json:"exports"`
	Uploaded time.Time     `json:"uploaded"`
	// Only of a single module.
	Capabilities []abi.Capability `json:"capabilities,omitempty" doc:"Groups that it needs, with the reasons that it gives"`
	Can          []string         `json:"can,omitempty" doc:"What it can do, in plain sentences"`
	Cannot       []string         `json:"cannot,omitempty" doc:"What it cannot do, in plain sentences"`
	UsedBy       []string         `json:"used_by,omitempty" doc:"Ids of connectors"`
}

// TestResult is the outcome of a connection test.
type TestResult struct {
	Success   bool              `json:"success"`
	Message   string            `json:"message"`
	Details   map[string]string `json:"details,omitempty"`
	LatencyMS float64           `json:"latency_ms"`
	TestedAt  time.Time         `json:"tested_at"`
}

// LogLine is one line of a connector's log.
type LogLine struct {
	Sequence uint64    `json:"sequence" doc:"Counts lines; for ?after="`
	Time     time.Time `json:"time"`
	Level    string    `json:"level" enum:"debug,info,warning,error,critical"`
	Source   string    `json:"source" enum:"guest,host"`
	Target   string    `json:"target,omitempty"`
	Text     string    `json:"text"`
}

// List is a page of a list.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"For ?after= of the next page; empty: this was the last"`
}

// Version is what the server says of itself.
type Version struct {
	Version  string      `json:"version"`
	Contract abi.Version `json:"abi"`
}

// Problem is the body of every error (RFC 9457).
type Problem struct {
	Type         string        `json:"type" doc:"Where the code is explained"`
	Title        string        `json:"title"`
	Status       int           `json:"status"`
	Detail       string        `json:"detail"`
	Instance     string        `json:"instance" doc:"Path that was asked for"`
	Code         string        `json:"code" doc:"Stable, snake_case"`
	Hint         string        `json:"hint" doc:"What to do next"`
	Errors       []fault.Field `json:"errors,omitempty" doc:"Wrong parts of the input, by JSON Pointer"`
	Offset       int64         `json:"offset,omitempty" doc:"Byte offset of the mistake in an uploaded file"`
	RequestID    string        `json:"requestId"`
	RetryAfterMS int64         `json:"retryAfterMs,omitempty"`
}
