package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Type is a provider of a category.
type Type struct {
	ProviderType string         `json:"provider_type"`
	DisplayName  string         `json:"display_name"`
	Category     string         `json:"category"`
	Kind         abi.ModuleKind `json:"kind" enum:"connector,converter,sink" doc:"What its module is for"`
	Delivers     bool           `json:"delivers" doc:"Whether it takes the records of other connectors out: a sink, or a connector that is one too"`
	Versions     []TypeVersion  `json:"versions" doc:"The newest first; none of one that is built in"`
	Module       string         `json:"module,omitempty" doc:"Digest of the version that is used unless another is named: the newest that is no pre-release"`
	BuiltIn      bool           `json:"built_in" doc:"Whether it is always there: no connector is made of it, and it gets the category's calls where there is no default connector"`
}

// TypeVersion is one version of a type.
type TypeVersion struct {
	Version string `json:"version"`
	Module  string `json:"module" doc:"Digest"`
}

// TypeDetail is a type with what a connector of it needs.
type TypeDetail struct {
	Type

	Description  string          `json:"description,omitempty"`
	ConfigSchema json.RawMessage `json:"config_schema,omitempty" doc:"JSON Schema of a connector's configuration"`
	Needs        []Need          `json:"needs,omitempty" doc:"Grants that it needs, then those that it can do without"`
	Can          []string        `json:"can,omitempty" doc:"What it can do, in plain sentences"`
	Cannot       []string        `json:"cannot,omitempty" doc:"What it cannot do, in plain sentences"`
	OAuth        bool            `json:"oauth" doc:"Whether its connectors get tokens by OAuth"`
}

// Category is a kind of service that providers offer.
type Category struct {
	Name        string      `json:"name,omitempty" maxLength:"64" doc:"Of a-z, 0-9 and _; cannot be changed"`
	DisplayName string      `json:"display_name,omitempty" maxLength:"255" doc:"None: the name"`
	Description string      `json:"description,omitempty" maxLength:"1000"`
	Operations  []Operation `json:"operations,omitempty" maxItems:"50" doc:"What each of its providers must offer: its module exports op_<name>"`
	BuiltIn     bool        `json:"built_in" readOnly:"true" doc:"Whether every tenant has it, and none can change it"`
	Revision    uint64      `json:"revision,omitempty" readOnly:"true" doc:"Counts changes; the ETag"`
}

// Operation is a call that every provider of a category answers.
type Operation struct {
	Name        string   `json:"name" maxLength:"64" doc:"Of a-z, 0-9 and _"`
	Description string   `json:"description,omitempty" maxLength:"1000"`
	Parameters  []string `json:"parameters,omitempty" maxItems:"30" doc:"Names of the arguments that each call has"`
	Optional    []string `json:"optional,omitempty" maxItems:"30" doc:"Names of further arguments"`
}

// CallResult is what an operation answered, and who did.
type CallResult struct {
	Result       json.RawMessage `json:"result" doc:"What the provider answered, any JSON"`
	Category     string          `json:"category"`
	ProviderType string          `json:"provider_type"`
	ConnectorID  string          `json:"connector_id,omitempty" doc:"None: a provider that is built in"`
	Connector    string          `json:"connector,omitempty" doc:"Its name"`
	BuiltIn      bool            `json:"built_in"`
	LatencyMS    float64         `json:"latency_ms"`
}

// Types lists the types of a category, or of all when it is "".
func (c *Client) Types(ctx context.Context, category string) (list []Type, err error) {
	r := call{method: http.MethodGet, path: "/api/connectors/types"}
	if category != "" {
		r.query = url.Values{"category": {category}}
	}
	err = c.do(ctx, r, &list)
	return list, err
}

// Type is one type.
func (c *Client) Type(ctx context.Context, category, providerType string) (t TypeDetail, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/types/" + url.PathEscape(category) + "/" + url.PathEscape(providerType)}, &t)
	return t, err
}

// Categories lists all categories.
func (c *Client) Categories(ctx context.Context) ([]Category, error) {
	return all[Category](ctx, c, "/api/categories", nil)
}

// AddCategory adds a category.
func (c *Client) AddCategory(ctx context.Context, category Category) (v Category, err error) {
	raw, err := json.Marshal(category)
	if err != nil {
		return v, err
	}
	r := call{method: http.MethodPost, path: "/api/categories"}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &v)
	return v, err
}

// RemoveCategory removes a category, whichever revision it has.
func (c *Client) RemoveCategory(ctx context.Context, name string) error {
	r := call{method: http.MethodDelete, path: "/api/categories/" + url.PathEscape(name), header: http.Header{"If-Match": {"*"}}}
	return c.do(ctx, r, nil)
}

// CallCategory runs an operation with the default connector of a category. args
// is a JSON object; wait is how long the server waits for the answer; 0: its
// own default.
func (c *Client) CallCategory(ctx context.Context, category, operation string, args json.RawMessage, wait time.Duration) (CallResult, error) {
	return c.operate(ctx, "/api/categories/"+url.PathEscape(category), operation, args, wait)
}

// CallConnector runs an operation of one connector; see CallCategory.
func (c *Client) CallConnector(ctx context.Context, id, operation string, args json.RawMessage, wait time.Duration) (CallResult, error) {
	return c.operate(ctx, connectorPath(id, ""), operation, args, wait)
}

func (c *Client) operate(ctx context.Context, path, operation string, args json.RawMessage, wait time.Duration) (out CallResult, err error) {
	r := call{method: http.MethodPost, path: path + "/call/" + url.PathEscape(operation)}
	if wait > 0 {
		r.query = url.Values{"wait_ms": {strconv.FormatInt(wait.Milliseconds(), 10)}}
	}
	r.body, r.kind = jsonBody(args)
	err = c.do(ctx, r, &out)
	return out, err
}

// CategoryOf is a stored category as the API serves it.
func CategoryOf(c spec.Category) Category {
	v := Category{
		Name: c.Name, DisplayName: c.DisplayName, Description: c.Description,
		Operations: make([]Operation, len(c.Operations)), BuiltIn: c.BuiltIn, Revision: c.Revision,
	}
	for i, o := range c.Operations {
		v.Operations[i] = Operation(o)
	}
	return v
}
