package snaprail

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// configHint is what to do about a config that is wrong.
const configHint = "Correct the config; the module's schema says what it may hold."

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
			Code: abi.CodeInvalidConfig,
			Text: "the config cannot be read: " + err.Error(),
			Hint: configHint,
		}
	}
	return nil
}

// InvalidConfig is the error of a config that makes no sense, for Open and Test: at
// is the JSON Pointer of what is wrong, and the rest says what it should be.
func InvalidConfig(at, format string, args ...any) error {
	return &abi.Error{
		Kind: abi.FaultInvalid, Code: abi.CodeInvalidConfig, Text: at + ": " + fmt.Sprintf(format, args...), Hint: configHint,
	}
}

// maxSeconds bounds what Seconds makes of a number: 30 years.
const maxSeconds = 1e9

// Seconds is the time that a config gives as a number of seconds. What is no time
// is none.
func Seconds(s float64) time.Duration {
	if !(s > 0) { // NaN is not
		return 0
	}
	return time.Duration(min(s, maxSeconds) * float64(time.Second))
}
