// Command textframe is a converter that cuts text frames into points by
// position, and makes text of messages by templates. README.md says how to configure it.
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
	south   *encoder // nil: messages are left as they are

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
	if len(c.fields) == 0 { // it is for the way south alone
		step.Outcome().Batch.Records = append(step.Outcome().Batch.Records, batch.Records...)
		return nil
	}
	for i := range batch.Records {
		r := &batch.Records[i]
		if err := c.cut(r.Payload); err != nil {
			step.Reject(i, err.Error())
			continue
		}
		if len(c.attributes)|len(r.Key)|len(r.Headers)|len(r.SourceKey) == 0 { // nearly always
			step.Telemetry(r.Device, r.Time, c.telemetry...)
		} else {
			c.emit(r, step)
		}
	}
	return nil
}

// cut reads the values out of a payload. An int of digits alone in a text of
// ASCII is nearly every field of nearly every device: it is read here, without
// a call (package wire says what a jump or a call costs a guest).
func (c *converter) cut(payload []byte) error {
	text := c.strip(payload)
	ascii := isASCII(text)
	if !ascii && !utf8.Valid(text) {
		return fmt.Errorf("the payload %s is not UTF-8", quote(text))
	}
	for i := range c.fields {
		f := &c.fields[i]
		if ascii && f.plain && f.from < f.to && f.to <= len(text) {
			digits, n, bad := text[f.from:f.to], uint64(0), uint64(0)
			for len(digits) >= 4 {
				four := uint64(binary.LittleEndian.Uint32(digits)) - 0x3030_3030 // borrows if one is too low
				bad |= four | (four + 0x7676_7676)
				twos := (four*10 + four>>8) & 0x00ff_00ff
				n, digits = n*10_000+twos&0xff*100+twos>>16, digits[4:]
			}
			if len(digits) >= 2 {
				a, b := uint64(digits[0])-'0', uint64(digits[1])-'0'
				bad |= a | b | (9 - a) | (9 - b)
				n, digits = n*100+a*10+b, digits[2:]
			}
			if len(digits) == 1 {
				last := uint64(digits[0]) - '0'
				bad |= last | (9 - last)
				n = n*10 + last
			}
			if bad&0xffff_ffff_8080_8080 == 0 {
				f.point.Value = abi.Int(int64(n))
				continue
			}
		}
		if err := f.read(text, ascii); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) strip(payload []byte) []byte {
	for _, ending := range c.endings {
		if n := len(payload) - len(ending); n >= 0 && payload[n] == ending[0] &&
			(len(ending) == 1 || string(payload[n:]) == ending) {
			return payload[:n]
		}
	}
	return payload
}

// emit adds the points as records of the same device and time.
func (c *converter) emit(from *abi.Record, step *snaprail.Step) {
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
