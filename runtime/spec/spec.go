// Package spec is desired state: what a tenant owns and how it should be.
// Everything here is plain data with JSON names that are stored and served as
// they are, so a name is never changed or reused. Status is not here: it is
// fact, and package lifecycle has it.
//
// Every package of the host may import it; it imports the contract and the
// fault table alone.
package spec

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Tenant is who owns connectors, modules and records: the isolation boundary.
type Tenant struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Deleting is when its deletion began, which opens it for nobody and ends with
	// this record; zero: it stays.
	Deleting time.Time `json:"deleting,omitzero"`
	// Ceiling is what this tenant may have in place of the server's default.
	Ceiling Ceiling `json:"ceiling,omitzero"`
}

// Module is an uploaded module: immutable, named by its digest.
type Module struct {
	Digest   string       `json:"digest"` // sha256 in hex
	Size     int64        `json:"size"`   // bytes
	Manifest abi.Manifest `json:"manifest"`
	Imports  []Import     `json:"imports"`
	Exports  []string     `json:"exports"`
	// Handles are the entry points that the module says it has something behind,
	// as an SDK exports all; none: it does not say.
	Handles  []string  `json:"handles,omitempty"`
	Uploaded time.Time `json:"uploaded"`
	// Proposal is what came with it for others to decide on; nil: nothing.
	Proposal *Proposal `json:"proposal,omitempty"`
}

// Import is one function that a module needs from its host.
type Import struct {
	Module   string `json:"module"`
	Function string `json:"function"`
}

// Connector is a configured instance of a module.
type Connector struct {
	ID   string `json:"id"` // con_ and a ULID
	Name string `json:"name"`
	// Category and ProviderType are the type that Module is a version of.
	Category     string `json:"category,omitempty"`
	ProviderType string `json:"provider_type,omitempty"`
	Module       string `json:"module"` // digest
	// Config is what the guest is configured with when there are no Params: an
	// object, in which secret values are sealed ones.
	Config json.RawMessage `json:"config,omitempty"`
	// Params are assembled into the config, by sequence and then by key.
	Params    []Param    `json:"params,omitempty"`
	Converter *Converter `json:"converter,omitempty"` // for uplink; nil: records travel as they are
	Grants    []Grant    `json:"grants,omitempty"`
	Limits    Limits     `json:"limits,omitzero"`
	Poll      Poll       `json:"poll,omitzero"` // poll mode only
	Enabled   bool       `json:"enabled"`
	// OnChange is what a change of its config means while it runs.
	OnChange OnChange `json:"on_change,omitempty"`
	// Set names the connectors whose health is declared and probed together.
	Set string `json:"set,omitempty"`
	// Remote says that it has no module: its code attaches from outside.
	Remote bool `json:"remote,omitempty"`
	// DeviceManager says where its devices are kept.
	DeviceManager DeviceManager `json:"device_manager,omitempty"`
	// Mapping says which readings of a device's twin the payloads hold.
	Mapping []Mapping `json:"mapping,omitempty"`
	// Feed says which records a connector that delivers is handed.
	Feed Feed `json:"feed,omitzero"`
	// Owner is the deployment that made it, or ""; such a one goes with it.
	Owner string `json:"owner,omitempty"`
	// Default makes it the one that its category's calls of the tenant go to; at
	// most one connector of each category is.
	Default bool `json:"default,omitempty"`
	// OAuth is what is known of its tokens; nil: it has none.
	OAuth *OAuthTokens `json:"oauth,omitempty"`
	// Status and what follows it are facts of the last connection test; they
	// are stored beside the desired state because activation depends on them.
	Status        ConnectionStatus `json:"status"`
	StatusMessage string           `json:"status_message,omitempty"` // ≤ 512 bytes
	LastTestedAt  time.Time        `json:"last_tested_at,omitzero"`
	// Tested is the TestKey of the last test, if that has passed.
	Tested string `json:"tested,omitempty"`
	// Consents are of the modules that somebody chose for the connector, or
	// agreed to after reading what they ask for; the newest is the last.
	Consents []Consent `json:"consents,omitempty"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	// Revision counts changes of desired state. It is the ETag.
	Revision uint64 `json:"revision"`
}

// ConnectionStatus is the outcome of the last connection test.
type ConnectionStatus string

// The connection statuses.
const (
	StatusDraft     ConnectionStatus = "draft"
	StatusConnected ConnectionStatus = "connected"
	StatusError     ConnectionStatus = "error"
)

// Converter is the module that turns a connector's records into records.
type Converter struct {
	Module string          `json:"module" doc:"Digest of a converter"` // digest
	Config json.RawMessage `json:"config,omitempty" doc:"As the module's schema has it"`
	// Limits bound each instance of the converter. Rates and shares are those
	// of all its instances together.
	Limits Limits `json:"limits,omitzero"`
	// Then are converters behind this one, in the order of uplink; downlink goes
	// the other way.
	Then []Stage `json:"then,omitempty" doc:"Converters behind this one, in the order of what comes from devices; what goes to devices takes them the other way, the last one first"`
}

// Stage is one converter of a chain.
type Stage struct {
	Module string          `json:"module" doc:"Digest of a converter"` // digest
	Config json.RawMessage `json:"config,omitempty" doc:"As the module's schema has it"`
	Limits Limits          `json:"limits,omitzero" doc:"Of this converter's instances"`
}

// Consent is somebody's word that a connector may run a module.
type Consent struct {
	Module string `json:"module"` // digest
	// Asks is a digest of what the module asked for then: a manifest beside the
	// module is not part of the module's own digest.
	Asks string    `json:"asks"`
	By   string    `json:"by,omitempty"` // filled in by the server
	At   time.Time `json:"at"`           // filled in by the server
}

// Right is what may be done to a granted resource.
type Right string

// The rights.
const (
	Read  Right = "read"
	Write Right = "write"
)

// Grant is the right of one connector to the resources of one group that
// match a pattern.
type Grant struct {
	Group string `json:"group"`
	// Resources are patterns as path.Match has them: "/dev/ttyUSB*". None: the
	// group's functions that need no resource.
	Resources []string  `json:"resources,omitempty"`
	Rights    []Right   `json:"rights,omitempty"` // none: read
	Reason    string    `json:"reason,omitempty"`
	GrantedBy string    `json:"granted_by,omitempty"` // filled in by the server
	GrantedAt time.Time `json:"granted_at,omitzero"`  // filled in by the server
	// Interlock bounds what may be written; nil: the right to write is enough.
	Interlock *Interlock `json:"interlock,omitempty" doc:"Bounds what may be written through the grant; left out, the one that is there stays, and null takes it away"`
	// Unlock says that the interlock is null in so many words, and was not left
	// out: it takes away the one that is there. It is of requests, and never kept.
	Unlock bool `json:"-"`
}

// Poll says how often a connector in poll mode is asked.
type Poll struct {
	Interval Duration `json:"interval,omitempty"` // default 1s
}
