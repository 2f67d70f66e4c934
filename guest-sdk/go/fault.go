package snaprail

import (
	"errors"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// asFault is err as it crosses the wall. An *abi.Error stays as it is; one that
// was wrapped keeps its kind, code and hint, and gets the whole text.
func asFault(err error) *abi.Error {
	if fault, ok := err.(*abi.Error); ok { //nolint:errorlint // the unwrapped one is the case looked for
		return fault
	}
	if inner, ok := errors.AsType[*abi.Error](err); ok {
		fault := *inner
		fault.Text = err.Error()
		return &fault
	}
	return &abi.Error{Kind: abi.FaultUnknown, Text: err.Error()}
}

// unsupported answers an entry point that has no handler.
func unsupported(entry string) error {
	for _, h := range handlers {
		if h.entry == entry {
			return &abi.Error{
				Kind: abi.FaultUnsupported,
				Code: "unsupported",
				Text: "this guest has no handler for " + entry,
				Hint: "Take " + entry + " out of the manifest, or give the registered type the method of snaprail." + h.name + ".",
			}
		}
	}
	return &abi.Error{
		Kind: abi.FaultUnsupported,
		Code: "unsupported",
		Text: "this guest's SDK does not know the entry point " + entry,
		Hint: "Build the guest with a newer SDK.",
	}
}

// unreadable answers an input that is not the message it should be.
func unreadable(entry string, err error) error {
	return &abi.Error{
		Kind: abi.FaultInvalid,
		Code: "bad_input",
		Text: "the input of " + entry + " cannot be read: " + err.Error(),
		Hint: "The host speaks another version of the contract, or is at fault: report this to who runs it.",
	}
}
