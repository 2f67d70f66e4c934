package abi

import "encoding/json"

// Manifest describes a module: what it is, how it is run and what it needs.
// Its form is JSON.
type Manifest struct {
	Category     string     `json:"category"`
	ProviderType string     `json:"provider_type"`
	DisplayName  string     `json:"display_name"`
	Description  string     `json:"description,omitempty"`
	Version      string     `json:"version"` // semantic version
	ABI          Version    `json:"abi"`
	Kind         ModuleKind `json:"kind"`
	Mode         Mode       `json:"mode,omitempty"`  // connectors only
	Lanes        string     `json:"lanes,omitempty"` // connector (the default), device, endpoint
	// Polls says what poll is called for: the lane as a whole, or each of its
	// devices at that device's interval, as PollInput names it.
	Polls string `json:"polls,omitempty"` // lane (the default), device
	// ConfigSchema is a JSON Schema, or a list of {key, label, required, secret}.
	ConfigSchema json.RawMessage `json:"config_schema,omitempty"`
	Capabilities []Capability    `json:"capabilities,omitempty"`
	DeviceTypes  []string        `json:"device_types,omitempty"`
	EntryPoints  []string        `json:"entry_points,omitempty"` // beyond those of kind and mode
	Extism       *Extism         `json:"extism,omitempty"`       // converters that are plain Extism plugins
	OAuth        *OAuth          `json:"oauth,omitempty"`        // where its tokens come from
}

// OAuth names the endpoints of an authorization server (RFC 6749). The module
// may override the first with the entry point oauth_authorize_url and the
// exchange with exchange_oauth_code; both get the config.
type OAuth struct {
	AuthorizeURL string   `json:"authorize_url,omitempty"`
	TokenURL     string   `json:"token_url,omitempty"` // the one host that an exchange may reach
	Scopes       []string `json:"scopes,omitempty"`
	// Issuer is what the parameter iss of a callback must be (RFC 9207). It is
	// for servers that send it: a callback without it is refused then.
	Issuer string `json:"issuer,omitempty"`
}

// Extism makes a converter of an Extism plugin that knows nothing of Snaprail:
// the payload of each record goes through one of its functions.
type Extism struct {
	Convert     string `json:"convert"`                // the function: payload in, payload out
	ContentType string `json:"content_type,omitempty"` // of what it answers; empty: that of its input
}

// Version is a version of the contract.
type Version struct {
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
}

// ModuleKind is what a module is for.
type ModuleKind string

// The kinds of modules.
const (
	KindConnector ModuleKind = "connector"
	KindConverter ModuleKind = "converter"
	KindSink      ModuleKind = "sink"
)

// The values of Manifest.Polls.
const (
	PollsLane   = "lane"
	PollsDevice = "device"
)

// Mode is how the host drives a connector.
type Mode string

// The modes of a connector.
const (
	ModePoll  Mode = "poll"  // poll(cursor) at an interval
	ModeEvent Mode = "event" // on_events(batch of host events)
	ModeRun   Mode = "run"   // run(), a loop of its own around core.receive
	ModeCall  Mode = "call"  // nothing of its own: it is called for operations
)

// Capability names a host group that a module imports.
type Capability struct {
	Group    string   `json:"group"`
	Optional bool     `json:"optional,omitempty"`
	Reason   string   `json:"reason"`           // one sentence, shown before consent
	Rights   []string `json:"rights,omitempty"` // read, write
}
