package abi

import (
	"encoding/hex"
	"slices"
	"strings"
)

// Device is a thing behind a connector.
type Device struct {
	ID         string
	Type       string
	Name       string
	UUID       string
	Tags       []Header // each name once
	Attributes []byte   // a JSON object: extension attributes
	Endpoint   string   // where it is reached; devices may share one
	Config     []byte   // a JSON object: what the connector has to know of it
	Hash       string   // Sum, as the host last saw it
	State      string
}

// Change says what happens to a device.
type Change uint32

// The changes of a device.
const (
	ChangePut        Change = iota // add, or replace what is known
	ChangeRemove                   // delete it, here and upstream
	ChangeDisconnect               // delete it here; upstream keeps it as disconnected
)

// DeviceChange adds, updates or removes a device of the connector.
type DeviceChange struct {
	Change     Change
	ID         string
	Type       string
	Name       string
	Tags       *DeviceTags // nil: as they are
	Attributes []byte      // a JSON object; nil: as they are
	Endpoint   *string     // nil: as it is
	Config     []byte      // a JSON object; nil: as it is
}

// DeviceTags are all tags of a device, of which there may be none.
type DeviceTags struct {
	Tags []Header
}

// Sum is the device's hash, by which two sides see without a word more whether
// they know the same: the SHA-1, in lower-case hex, over its id, type and name,
// the name and the value of each tag in the order of the names, and the extension
// attributes in the canonical form of RFC 8785, each followed by a zero byte. No
// attributes are {}. What is not JSON is hashed as it stands.
func (d *Device) Sum() string {
	var text []byte
	for _, part := range []string{d.ID, d.Type, d.Name} {
		text = append(append(text, part...), 0)
	}
	for _, tag := range sortedTags(d.Tags) {
		text = append(append(text, tag.Name...), 0)
		text = append(append(text, tag.Value...), 0)
	}
	attributes, err := Canonical(d.Attributes)
	if err != nil {
		attributes = d.Attributes
	}
	sum := sha1Sum(append(append(text, attributes...), 0))
	return hex.EncodeToString(sum[:])
}

func sortedTags(tags []Header) []Header {
	sorted := slices.Clone(tags)
	slices.SortStableFunc(sorted, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
	return sorted
}
