package mqtt

import (
	"bytes"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// rehearsePublish says what would be published; the guest is told that all of it
// was.
func rehearsePublish(in, out []byte) (data, reply []byte) {
	var q abi.MQTTPublish
	if q.Decode(in) != nil {
		return nil, out
	}
	return bytes.Clone(in), (&abi.MQTTPublished{Results: make([]abi.MQTTResult, len(q.Messages))}).Append(out)
}

// rehearseSilent says what would be asked for, and answers nothing.
func rehearseSilent(in, out []byte) (data, reply []byte) { return bytes.Clone(in), out }
