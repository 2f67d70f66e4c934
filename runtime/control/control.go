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

// ConnectorInput is what a caller may set of a connector. The JSON names are
// those of the API: a merge patch is of this form.
type ConnectorInput struct {
	Name string `json:"name"`
	// Module is a digest, or an unambiguous prefix of at least 8 digits. "": the
	// type says which, by Category, ProviderType and Version, of which none is
	// the newest. Where both are given, the module has to be of the type.
	Module       string `json:"module"`
	Category     string `json:"category"`
	ProviderType string `json:"provider_type"`
	Version      string `json:"version"`
	// Params are the rows of the configuration. Where there are none, Config is
	// the configuration; where neither was given to a new connector, it gets
	// the rows of its module's schema.
	Params    []spec.Param    `json:"params"`
	Config    json.RawMessage `json:"config"`
	Converter *spec.Converter `json:"converter"`
	Grants    []spec.Grant    `json:"grants"`
	Limits    spec.Limits     `json:"limits"`
	Poll      spec.Poll       `json:"poll"`
	// Set names the connectors whose health is declared and probed together.
	Set string `json:"set"`
	// OnChange is what a change of its config means while it runs: swap (the
	// default), or reconnect.
	OnChange spec.OnChange `json:"on_change"`
	// DeviceManager says where its devices are kept: persistent (the default),
	// memory, or the name or the id of a connector of the category device_manager.
	DeviceManager spec.DeviceManager `json:"device_manager"`
	// Mapping says which readings of a device's twin the payloads hold.
	Mapping []spec.Mapping `json:"mapping"`
	// Feed says which records it is handed, if its module delivers.
	Feed spec.Feed `json:"feed"`
	// Remote says that it has no module: its code attaches from outside.
	Remote bool `json:"remote"`
	// Default makes it its category's default in place of the one that was;
	// nil: as it is.
	Default *bool `json:"is_default"`
	// Enabled starts it or stops it; nil: as it is. To start it so, a test of
	// what it is to be must have passed already; Activate makes one.
	Enabled *bool `json:"is_enabled"`
	// Consent holds the digests of modules whose wider demands the caller has
	// read; see fault.ConsentRequired.
	Consent []string `json:"consent"`

	owner string // the deployment that makes it
}

// ConnectorFilter says which connectors a list holds. What is empty says
// nothing.
type ConnectorFilter struct {
	Category     string
	ProviderType string
	Status       spec.ConnectionStatus
	Enabled      *bool
}

// ConnectorView is a connector with what is known of it now. Secret values of
// its config are masked.
type ConnectorView struct {
	spec.Connector
	Tenant  string
	Runtime lifecycle.Status
	// Warnings say which grants do nothing, and which are missing. A list does
	// not have them.
	Warnings []string
}

// Import is a configuration to be taken in: Object, or else a file.
type Import struct {
	Object     json.RawMessage
	Name, MIME string // of the file; they tell its format
	Body       []byte
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
	SourceKey string // the source's name for it; empty: it gives none
	// Topic is where an event is published: "/sources/" and the name that its
	// connector has now. "": the stream was not asked for topics, or it is none.
	Topic string
}

// StreamOptions says where a stream starts and what it holds.
type StreamOptions struct {
	// After is the position behind which the stream starts; "": at the oldest
	// record that is kept; "now": with the next one.
	After     string
	Connector string // only this connector's; "": all
	// Topic leaves only the events of one topic, "/sources/" and the name of a
	// connector; "": all records.
	Topic string
	// Topics says that events come with their topic.
	Topics bool
	// Until is the last block that is read, behind which Next ends with io.EOF;
	// nil: Next waits for more, or with ToNow ends behind what is durable now.
	Until *uint64
	ToNow bool
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
