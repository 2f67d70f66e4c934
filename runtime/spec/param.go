package spec

import "time"

// Param is one row of a connector's configuration. The rows, in the order of
// their sequence and then of their keys, are assembled into one nested object.
type Param struct {
	// Key is a path in dot notation: "installed.client_id". At most 255 bytes.
	Key string `json:"key"`
	// Value is the text of a row of type text. A secret's is never here.
	Value  string    `json:"value,omitempty"`
	FileID string    `json:"file_id,omitempty"` // of a row of type file; "": its file was removed
	Type   ParamType `json:"value_type,omitempty"`
	// Encoding is how a file's bytes become a text: "base64"; none: they are
	// UTF-8.
	Encoding string `json:"encoding,omitempty"`
	// Sequence is 10 when none is given.
	Sequence int `json:"sequence" required:"false" doc:"Order; 10 when none is given"`
	// Secret is what may be known of a row of type secret; filled in by the
	// server. A row that is sent with it and without a value keeps the value
	// that is there.
	Secret *SecretInfo `json:"secret,omitempty"`
}

// ParamType says what a row's value is.
type ParamType string

// The types of rows. None means text.
const (
	ParamText   ParamType = "text"
	ParamFile   ParamType = "file"
	ParamSecret ParamType = "secret"
)

// DefaultSequence is the sequence of a row that has none.
const DefaultSequence = 10

// SecretInfo is what may be known of a sealed value.
type SecretInfo struct {
	Set         bool      `json:"set"`
	Fingerprint string    `json:"fingerprint,omitempty"` // equal values of a tenant have equal ones
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
}

// File is a file that rows of type file refer to.
type File struct {
	ID      string    `json:"id"` // fil_ and a ULID
	Name    string    `json:"name"`
	MIME    string    `json:"mime,omitempty"`
	Size    int       `json:"size"`   // bytes
	Digest  string    `json:"digest"` // sha256 in hex
	Created time.Time `json:"created"`
}

// Category is a kind of service that providers offer: storage, email. It is
// data, so that a tenant can add one.
type Category struct {
	Name        string      `json:"name"` // of a-z, 0-9 and _
	DisplayName string      `json:"display_name"`
	Description string      `json:"description,omitempty"`
	Operations  []Operation `json:"operations,omitempty"` // that each provider must offer
	BuiltIn     bool        `json:"built_in,omitempty"`   // filled in by the server
	// Revision counts changes; it is the ETag. One that is built in has none.
	Revision uint64 `json:"revision,omitempty"`
}

// Operation is a call that every provider of a category answers: its module
// exports op_<name>.
type Operation struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Parameters  []string `json:"parameters,omitempty"` // names of the arguments, all required
	Optional    []string `json:"optional,omitempty"`   // names of further arguments
}

// OAuthTokens is what is known of a connector's tokens; they themselves are
// sealed parameters.
type OAuthTokens struct {
	Account   string    `json:"account,omitempty"`
	Scopes    []string  `json:"scopes,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // of the access token
	Refreshed time.Time `json:"refreshed,omitzero"`  // when the server last got tokens
	Failure   string    `json:"failure,omitempty"`   // why the last attempt did not work
	// Stopped says that the server tries no more: somebody has to connect it
	// again.
	Stopped bool `json:"stopped,omitempty"`
	// RefreshExpiresAt is when the refresh token ends, where that is known.
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
}
