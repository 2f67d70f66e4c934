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
	ID             string             `json:"id" readOnly:"true" doc:"con_ and a ULID"`
	Name           string             `json:"name" doc:"Unique within the tenant; may stand in place of the id; 1 to 255 characters"`
	Category       string             `json:"category,omitempty" maxLength:"64" doc:"Category of the type; none sent: the module's"`
	ProviderType   string             `json:"provider_type,omitempty" maxLength:"64" doc:"With the category, the type; none sent: the module's"`
	Version        string             `json:"version,omitempty" maxLength:"64" doc:"Only sent, with a type in place of a module: its version; none: the newest"`
	Module         string             `json:"module,omitempty" doc:"Digest of the module, or its first digits, at least 8; none sent: the type says which"`
	OrganizationID string             `json:"organization_id,omitempty" readOnly:"true" doc:"The tenant that owns it"`
	Params         []spec.Param       `json:"params,omitempty" maxItems:"500" doc:"Rows that are assembled into the configuration, by sequence and then by key"`
	Config         json.RawMessage    `json:"config,omitempty" doc:"The configuration where there are no params; secret values are masked, and one that is sent masked stays"`
	Converter      *spec.Converter    `json:"converter,omitempty" doc:"Module that turns the connector's records into records; none: they travel as they are"`
	Grants         []spec.Grant       `json:"grants,omitempty" doc:"What the connector may reach, and nothing else"`
	Limits         spec.Limits        `json:"limits,omitzero" doc:"Bounds of the guest; what is not set is the server's default"`
	Poll           spec.Poll          `json:"poll,omitzero" doc:"For modules in poll mode"`
	OnChange       spec.OnChange      `json:"on_change,omitempty" enum:"swap,reconnect" doc:"What a change of the config means while it runs: swap opens the new module's guest beside the old one; reconnect closes the old one first"`
	DeviceManager  spec.DeviceManager `json:"device_manager,omitempty" maxLength:"1024" doc:"Where its devices are kept: persistent, the default; memory, until the server stops; or the name of a connector of the category device_manager"`
	Mapping        []spec.Mapping     `json:"mapping,omitempty" maxItems:"64" doc:"Which readings of a device's twin the payloads hold, for records without points: JSON Pointers"`
	Feed           spec.Feed          `json:"feed,omitzero" doc:"Which of the tenant's records it is handed, if its module delivers them: a sink"`
	Set            string             `json:"set,omitempty" maxLength:"64" doc:"Name of the connectors whose health is declared and probed together"`
	Remote         bool               `json:"remote,omitempty" doc:"Whether it has no module, and its code attaches from outside; cannot be changed"`
	Consent        []string           `json:"consent,omitempty" maxItems:"2" doc:"Only sent: digests of modules that ask for more than the ones that they replace, by who has read what that is"`
	IsDefault      *bool              `json:"is_default,omitempty" doc:"Whether its category's calls go to it; at most one of a category is. None sent: as it is, at first false"`
	IsEnabled      *bool              `json:"is_enabled,omitempty" doc:"Whether it is to run. None sent: as it is, at first false; true needs a passed test: activate makes one"`

	Status        spec.ConnectionStatus `json:"status,omitempty" readOnly:"true" enum:"draft,connected,error" doc:"Outcome of the last connection test"`
	StatusMessage string                `json:"status_message,omitempty" readOnly:"true" doc:"At most 512 bytes"`
	LastTestedAt  time.Time             `json:"last_tested_at,omitzero" readOnly:"true"`
	OAuth         *spec.OAuthTokens     `json:"oauth,omitempty" readOnly:"true" doc:"What is known of its tokens"`
	Created       time.Time             `json:"created" readOnly:"true"`
	Updated       time.Time             `json:"updated" readOnly:"true"`
	Revision      uint64                `json:"revision" readOnly:"true" doc:"Counts changes; the ETag"`
	Consents      []spec.Consent        `json:"consents,omitempty" readOnly:"true" doc:"Whose word its modules run on, of now and of before"`
	Runtime       *lifecycle.Status     `json:"runtime,omitempty" readOnly:"true" doc:"What it does now"`
	Hooks         []string              `json:"hooks,omitempty" readOnly:"true" doc:"Where it takes requests now, below the server's own address; a star is one part of a path, two are all the rest"`
	Warnings      []string              `json:"warnings,omitempty" readOnly:"true" doc:"Grants that do nothing, and those that are missing; lists do not have it"`
}

// Enabled reports whether the connector is to run.
func (c *Connector) Enabled() bool { return c.IsEnabled != nil && *c.IsEnabled }

// Default reports whether the connector is its category's default.
func (c *Connector) Default() bool { return c.IsDefault != nil && *c.IsDefault }

// Params are the rows of a connector's configuration.
type Params struct {
	Params []spec.Param `json:"params" maxItems:"500" doc:"By sequence and then by key; of a secret there is what may be known of it"`
}

// Assembled is a connector's configuration as it is put together.
type Assembled struct {
	Success bool            `json:"success"`
	Config  json.RawMessage `json:"config" doc:"Secret values are masked, unless they were asked for"`
}

// Import is a configuration to be taken in: an object, or a file.
type Import struct {
	JSONData    json.RawMessage `json:"json_data,omitempty" doc:"Object that is flattened into params"`
	FileContent string          `json:"file_content,omitempty" contentEncoding:"base64" doc:"In place of json_data: a file in base64"`
	FileName    string          `json:"file_name,omitempty" maxLength:"255" doc:"Tells the format"`
	FileMIME    string          `json:"file_mime,omitempty" maxLength:"255" doc:"Tells the format where the name does not"`
}

// Module is an uploaded module.
type Module struct {
	Digest   string        `json:"digest" doc:"SHA-256 in hex"`
	Size     int64         `json:"size" doc:"Bytes"`
	Manifest abi.Manifest  `json:"manifest"`
	Imports  []spec.Import `json:"imports"`
	Exports  []string      `json:"exports"`
	Handles  []string      `json:"handles,omitempty" doc:"Entry points that it says it has something behind, as an SDK exports all; none: it does not say"`
	Uploaded time.Time     `json:"uploaded"`
	// Proposal is what came with it in an Extism manifest.
	Proposal *spec.Proposal `json:"proposal,omitempty" doc:"Config and limits that a connector made of it takes where none are given, and grants to approve"`
	// Only of a single module.
	Capabilities []abi.Capability `json:"capabilities,omitempty" doc:"Groups that it needs, with the reasons that it gives"`
	Anatomy      *Anatomy         `json:"anatomy,omitempty" doc:"What its binary shows"`
	Can          []string         `json:"can,omitempty" doc:"What it can do, in plain sentences"`
	Cannot       []string         `json:"cannot,omitempty" doc:"What it cannot do, in plain sentences"`
	Needs        []Need           `json:"needs,omitempty" doc:"Grants that it needs, then those that it can do without"`
	UsedBy       []string         `json:"used_by,omitempty" doc:"Ids of connectors"`
}

// Anatomy is what a module's binary shows of it.
type Anatomy struct {
	Toolchain   []string `json:"toolchain,omitempty" doc:"Who made it, as it says itself"`
	MemoryStart uint64   `json:"memory_start" doc:"Bytes that it has from the start"`
	MemoryMost  uint64   `json:"memory_most" doc:"Bytes that it may ask for; the connector's limit holds in any case"`
	StartsCode  bool     `json:"starts_code" doc:"Whether it runs code before it is opened"`
	Extism      bool     `json:"extism" doc:"Whether it was made with an Extism PDK"`
	Bounds      []Bound  `json:"bounds" doc:"Bounds of what is taken in, the nearest first"`
	Sentences   []string `json:"sentences" doc:"All of it, for people"`
}

// Bound is a bound of what is taken in, and how much of it a module uses.
type Bound struct {
	What string `json:"what"`
	Used uint64 `json:"used"`
	Most uint64 `json:"most"`
}

// Need is a grant that a module has a use for.
type Need struct {
	Grant    spec.Grant `json:"grant" doc:"For a connector's grants, when its resources are named"`
	Optional bool       `json:"optional" doc:"Whether the module works without"`
}

// Difference is what changes when a module takes the place of another.
type Difference struct {
	From    string   `json:"from" doc:"Digest"`
	To      string   `json:"to" doc:"Digest"`
	Consent bool     `json:"consent" doc:"Whether the change needs consent: whether there is any more"`
	More    []string `json:"more" doc:"What it asks for beyond the other"`
	Fewer   []string `json:"fewer" doc:"What it no longer asks for"`
	Other   []string `json:"other" doc:"What else is different"`
}

// Event is one event of an audit trail.
type Event struct {
	Sequence  uint64    `json:"sequence" doc:"Counts the events of the trail"`
	Time      time.Time `json:"time" doc:"Of the last, when there were several"`
	Who       Who       `json:"who"`
	Tenant    string    `json:"tenant,omitempty" doc:"Whose it was done to, in the server's own trail"`
	Action    string    `json:"action" doc:"Such as connector.update"`
	Connector string    `json:"connector,omitempty" doc:"Id"`
	Name      string    `json:"name,omitempty" doc:"Of the connector"`
	Module    string    `json:"module,omitempty" doc:"Digest"`
	On        string    `json:"on,omitempty" doc:"What else it was done to"`
	Outcome   string    `json:"outcome" enum:"done,refused"`
	Code      string    `json:"code,omitempty" doc:"Why it was refused, as in problems"`
	Count     uint64    `json:"count" doc:"Equal events that came in a row are one"`
	First     time.Time `json:"first,omitzero" doc:"Of the first, when there were several"`
	Detail    string    `json:"detail,omitempty"`
}

// Who did what an event tells.
type Who struct {
	Kind string `json:"kind" enum:"token,user,connector,server,local,nobody"`
	ID   string `json:"id,omitempty" doc:"Of the token or the connector; the address of nobody"`
	Name string `json:"name,omitempty"`
	User string `json:"user,omitempty" doc:"Name of the user whose own token it is"`
}

// TestResult is the outcome of a connection test.
type TestResult struct {
	Success   bool           `json:"success"`
	Message   string         `json:"message"`
	Details   map[string]any `json:"details,omitempty" doc:"What the module says beside it, as texts, and latency_ms"`
	LatencyMS float64        `json:"latency_ms"`
	TestedAt  time.Time      `json:"tested_at"`
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
	Replies      []Reply       `json:"replies,omitempty" doc:"Of a message: those that came, the last of which says what went wrong"`
}
