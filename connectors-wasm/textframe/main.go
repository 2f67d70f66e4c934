// Command textframe is a converter that cuts text frames into points by
// position. README.md says how to configure it.
package main

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

var _ = snaprail.Register(&converter{})

func main() {}

// converter is the guest as it was opened.
type converter struct {
	fields  []field
	endings []string // longest first, none of them empty

	// The points of the record in work. Their values are the fields' to set.
	telemetry  []abi.Point
	attributes []abi.Point
}

// Open reads the config.
func (c *converter) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	opened, err := newConverter(in)
	if err != nil {
		return err
	}
	*c = *opened
	return nil
}

// Convert cuts each record's payload. One that does not fit is rejected whole.
func (c *converter) Convert(batch *abi.Batch, step *snaprail.Step) error {
	for i := range batch.Records {
		r := &batch.Records[i]
		if err := c.cut(r.Payload); err != nil {
			step.Reject(i, err.Error())
			continue
		}
		c.emit(r, step)
	}
	return nil
}

// cut reads the values out of a payload.
func (c *converter) cut(payload []byte) error {
	text := c.strip(payload)
	ascii := isASCII(text)
	if !ascii && !utf8.Valid(text) {
		return fmt.Errorf("the payload %s is not UTF-8", quote(text))
	}
	for i := range c.fields {
		if err := c.fields[i].read(text, ascii); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) strip(payload []byte) []byte {
	for _, ending := range c.endings {
		if n := len(payload) - len(ending); n >= 0 && payload[n] == ending[0] && string(payload[n:]) == ending {
			return payload[:n]
		}
	}
	return payload
}

// emit adds the points as records of the same device and time.
func (c *converter) emit(from *abi.Record, step *snaprail.Step) {
	if len(c.attributes)|len(from.Key)|len(from.Headers)|len(from.SourceKey) == 0 { // nearly always
		step.Telemetry(from.Device, from.Time, c.telemetry...)
		return
	}
	sourceKey := from.SourceKey
	if len(c.telemetry) > 0 {
		carry(step.Telemetry(from.Device, from.Time, c.telemetry...), from, sourceKey)
		if sourceKey != "" && len(c.attributes) > 0 {
			sourceKey += "#attributes" // or the second record would be a repeat of the first
		}
	}
	if len(c.attributes) > 0 {
		carry(step.Attributes(from.Device, from.Time, c.attributes...), from, sourceKey)
	}
}

// carry keeps what the record came with.
func carry(to, from *abi.Record, sourceKey string) {
	to.Key = from.Key
	to.Headers = append(to.Headers, from.Headers...)
	to.SourceKey = sourceKey
}

// isASCII looks at several bytes at a time.
func isASCII(text []byte) bool {
	const high = 0x8080_8080_8080_8080
	n := len(text)
	if 4 <= n && n <= 8 {
		return (binary.LittleEndian.Uint32(text)|binary.LittleEndian.Uint32(text[n-4:]))&(high>>32) == 0
	}
	seen := uint64(0)
	for at := 0; at+8 <= n; at += 8 {
		seen |= binary.LittleEndian.Uint64(text[at:])
	}
	for _, b := range text[n&^7:] {
		seen |= uint64(b)
	}
	return seen&high == 0
}
