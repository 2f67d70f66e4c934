package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Secret is what may be known of a named secret: never its value.
type Secret struct {
	Name        string    `json:"name"`
	Set         bool      `json:"set"`
	UpdatedAt   time.Time `json:"updated_at"`
	Fingerprint string    `json:"fingerprint" doc:"Equal values of a tenant have equal ones"`
	Revision    uint64    `json:"revision" doc:"Counts changes; the ETag"`
	UsedBy      []string  `json:"used_by,omitempty" doc:"Ids of the connectors that name it; not in a list"`
	Warnings    []string  `json:"warnings,omitempty" doc:"What whoever set it should know"`
}

// SecretInput is the value of a secret. It is never answered.
type SecretInput struct {
	Value string `json:"value" minLength:"1" maxLength:"65536" writeOnly:"true" doc:"Text, of at most 64 KiB"`
}

// SetSecret keeps a value under a name, in the place of any that is there.
func (c *Client) SetSecret(ctx context.Context, name, value string) (s Secret, err error) {
	raw, err := json.Marshal(SecretInput{Value: value})
	if err != nil {
		return s, fault.Wrap(fault.Internal, err, "request")
	}
	r := call{method: http.MethodPut, path: secretPath(name), header: whichever()}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &s)
	return s, err
}

// Secrets lists what may be known of the tenant's secrets.
func (c *Client) Secrets(ctx context.Context) ([]Secret, error) {
	return all[Secret](ctx, c, "/api/secrets", nil)
}

// Secret is what may be known of one.
func (c *Client) Secret(ctx context.Context, name string) (s Secret, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: secretPath(name)}, &s)
	return s, err
}

// DeleteSecret forgets a secret that no connector names.
func (c *Client) DeleteSecret(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: secretPath(name), header: whichever()}, nil)
}

func secretPath(name string) string { return "/api/secrets/" + url.PathEscape(name) }
