package abi

import "encoding/json"

// The entry points that help to set a connector up speak JSON, as the config
// does. Unknown fields are ignored on both sides.
//
// normalize_import gets the object that a user imports and answers the object
// that is to be flattened into parameters.

// ExchangeInput is the input of exchange_oauth_code, which answers an object of
// texts: the parameters to set, {"refresh_token": "..."}.
type ExchangeInput struct {
	Code         string          `json:"code"`
	RedirectURI  string          `json:"redirect_uri"`
	CodeVerifier string          `json:"code_verifier,omitempty"` // of PKCE (RFC 7636)
	Config       json.RawMessage `json:"config"`                  // with its secrets
}

// AuthorizeInput is the input of oauth_authorize_url.
type AuthorizeInput struct {
	State         string          `json:"state"`
	RedirectURI   string          `json:"redirect_uri"`
	CodeChallenge string          `json:"code_challenge,omitempty"` // S256
	Config        json.RawMessage `json:"config"`                   // with its secrets
}

// DeployInput is the input of deploy and of tear_down. What they answer is JSON
// of any form, which the host keeps with the deployment.
type DeployInput struct {
	Device json.RawMessage `json:"device"`
	Config json.RawMessage `json:"config"` // the deployment's
}

// AuthorizeOutput is the answer of oauth_authorize_url.
type AuthorizeOutput struct {
	URL string `json:"url"`
}
