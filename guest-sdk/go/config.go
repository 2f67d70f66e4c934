package snaprail

import (
	"encoding/json"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Config reads the connector's config into a struct whose fields already hold
// the defaults: a key that is not there leaves its field alone. The host has
// checked the config against the manifest's schema. The error is an *abi.Error
// of kind invalid, to be returned as it is.
//
// It is encoding/json, which is slow in a guest: fit for open and test, not
// for records.
func Config(in *abi.OpenInput, into any) error {
	if len(in.Config) == 0 {
		return nil
	}
	if err := json.Unmarshal(in.Config, into); err != nil {
		return &abi.Error{
			Kind: abi.FaultInvalid,
			Code: "invalid_config",
			Text: "the config cannot be read: " + err.Error(),
			Hint: "Correct the config; the module's schema says what it may hold.",
		}
	}
	return nil
}
