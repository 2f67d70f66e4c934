package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
)

// TestKey names what a connection test covers: module, config, converter,
// limits, and what the grants allow. A passed test counts for as long as the
// key stays the same. Who granted something, when and why does not change what
// a guest can do, and so not the key.
func (c *Connector) TestKey() (string, error) {
	grants := make([]Grant, len(c.Grants))
	for i, g := range c.Grants {
		grants[i] = Grant{Group: g.Group, Resources: g.Resources, Rights: g.Rights}
	}
	params := make([]Param, len(c.Params))
	for i, p := range c.Params {
		if p.Secret != nil {
			p.Secret = &SecretInfo{Set: p.Secret.Set, Fingerprint: p.Secret.Fingerprint}
		}
		params[i] = p
	}
	raw, err := json.Marshal(struct {
		Module    string
		Config    json.RawMessage
		Params    []Param `json:",omitempty"`
		Converter *Converter
		Grants    []Grant
		Limits    Limits
	}{c.Module, c.Config, params, c.Converter, grants, c.Limits})
	if err != nil {
		return "", errors.New("config is not JSON")
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}
