// Command binary is a converter that takes values out of bytes by their places.
// README.md says how to configure it.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

var _ = snaprail.Register(&converter{})

func main() {}

// converter is the guest as it was opened.
type converter struct {
	input    string
	length   [2]int // least and most; 0: any
	layout   []place
	set      *reading.Set
	checksum *checksum
}

// Open reads the config.
func (c *converter) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	opened, err := newConverter(in)
	if err != nil {
		return reading.Invalid(err)
	}
	*c = *opened
	return nil
}

// Convert takes each record's payload apart. One that does not fit is rejected
// whole.
func (c *converter) Convert(batch *abi.Batch, step *snaprail.Step) error {
	for i := range batch.Records {
		r := &batch.Records[i]
		if err := c.read(r.Payload); err != nil {
			step.Reject(i, err.Error())
			continue
		}
		c.set.Emit(r, r.Device, r.Time, step)
	}
	return nil
}

// read puts the values of a payload into the set.
func (c *converter) read(payload []byte) error {
	bytes, err := c.decode(payload)
	if err != nil {
		return err
	}
	if n := len(bytes); n < c.length[0] || c.length[1] > 0 && n > c.length[1] {
		return fmt.Errorf("%s has %d bytes", shown(bytes), n)
	}
	if err := c.checksum.check(bytes); err != nil {
		return err
	}
	c.set.Clear()
	for i := range c.layout {
		p := &c.layout[i]
		value, there, err := p.read(bytes)
		if err != nil {
			return fmt.Errorf("field %q: %w", c.set.Field(i).Name, err)
		}
		if there {
			c.set.Put(i, c.set.Field(i).Scaled(value))
		}
	}
	return nil
}

// decode is the bytes that a payload stands for.
func (c *converter) decode(payload []byte) ([]byte, error) {
	switch c.input {
	case "hex":
		text := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" :-\r\n\t", r) {
				return -1
			}
			return r
		}, string(payload))
		bytes, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil {
			return nil, fmt.Errorf("the payload %q is not hexadecimal", reading.Clip(payload))
		}
		return bytes, nil
	case "base64":
		bytes, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(payload)))
		if err != nil {
			return nil, fmt.Errorf("the payload %q is not base64", reading.Clip(payload))
		}
		return bytes, nil
	}
	return payload, nil
}

// shown is the start of a payload, for a reason.
func shown(bytes []byte) string {
	const most = 24
	if len(bytes) > most {
		return hex.EncodeToString(bytes[:most]) + "..."
	}
	return hex.EncodeToString(bytes)
}
