package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
)

// TestKey names what a connection test covers: module, converter, config and grants.
// A passed test counts for as long as the key stays the same.
func (c *Connector) TestKey() (string, error) {
	raw, err := json.Marshal(struct {
		Module    string
		Config    json.RawMessage
		Converter *Converter
		Grants    []Grant
		Limits    Limits
	}{c.Module, c.Config, c.Converter, c.Grants, c.Limits})
	if err != nil {
		return "", errors.New("config is not JSON")
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}
