package serial

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/framing"
)

// newCutter is the framer of the settings. expect is for those that know no other
// end of a frame than silence.
func newCutter(set settings, expect []abi.SerialExpect) framing.Framer {
	switch set.framing {
	case abi.SerialFixed, abi.SerialPrefixed:
		return framing.NewScan(set.layout, set.maxFrame)
	case abi.SerialGap:
		return framing.NewGap(set.maxFrame, expect)
	case abi.SerialSLIP:
		return framing.New(abi.Framing{Kind: abi.FramingSLIP, MaxFrame: uint32(set.maxFrame)})
	default: // SerialRaw has none, and does not ask
		return framing.New(abi.Framing{Kind: abi.FramingDelimiter, Delimiter: []byte(set.delimiter), MaxFrame: uint32(set.maxFrame)})
	}
}

// onWire is a frame as it is sent.
func onWire(set settings, frame []byte) []byte {
	if set.framing == abi.SerialSLIP {
		return newCutter(set, nil).Encode(nil, frame)
	}
	return frame
}
