package spec

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a device, in bytes where nothing else is said.
const (
	MaxDeviceID         = 256
	MaxDeviceText       = 512 // of type, name and endpoint
	MaxDeviceTags       = 64  // tags
	MaxTagName          = 64
	MaxTagValue         = 256
	MaxDeviceObject     = 16 << 10 // of the attributes and of the config
	MaxAttributeUpdates = 64       // rows
	MaxUpdateTemplate   = 1 << 10
	// MaxDevice bounds the whole of a device as it is stored.
	MaxDevice = 96 << 10
)

// Gone reports whether the device is not here any more: what is left of it is
// for upstream.
func (d *Device) Gone() bool { return d.State == DeviceDisconnected || d.State == DeviceDeleted }

// Validate reports the first thing that makes the device none that can be kept,
// as fault.Invalid, or fault.TooLarge.
func (d *Device) Validate() error {
	if err := checkDeviceTexts(d.ID, d.Type, d.Name, d.Endpoint); err != nil {
		return err
	}
	if len(d.Tags) > MaxDeviceTags {
		return fault.New(fault.TooLarge, "a device has at most %d tags, and %.64q would have %d", MaxDeviceTags, d.ID, len(d.Tags))
	}
	for name, value := range d.Tags {
		if err := CheckTag(name, value); err != nil {
			return err
		}
	}
	if err := checkDeviceObject("attributes", d.Attributes); err != nil {
		return err
	}
	if err := checkDeviceObject("config", d.Config); err != nil {
		return err
	}
	if len(d.AttributeUpdates) > MaxAttributeUpdates {
		return fault.New(fault.TooLarge, "a device has at most %d attribute_updates", MaxAttributeUpdates)
	}
	for _, u := range d.AttributeUpdates {
		if u.Attribute == "" || len(u.Attribute) > MaxTagValue || len(u.Template) > MaxUpdateTemplate {
			return fault.New(fault.Invalid, "a row of attribute_updates has an attribute of 1 to %d bytes and a template of at most %d", MaxTagValue, MaxUpdateTemplate)
		}
	}
	return nil
}

// CheckDeviceChange is Validate for what a guest asks for.
func CheckDeviceChange(c *abi.DeviceChange) error {
	endpoint := ""
	if c.Endpoint != nil {
		endpoint = *c.Endpoint
	}
	if err := checkDeviceTexts(c.ID, c.Type, c.Name, endpoint); err != nil {
		return err
	}
	if c.Tags != nil {
		if len(c.Tags.Tags) > MaxDeviceTags {
			return fault.New(fault.TooLarge, "a device has at most %d tags, and %.64q would have %d", MaxDeviceTags, c.ID, len(c.Tags.Tags))
		}
		for _, tag := range c.Tags.Tags {
			if err := CheckTag(tag.Name, string(tag.Value)); err != nil {
				return err
			}
		}
	}
	if err := checkDeviceObject("attributes", c.Attributes); err != nil {
		return err
	}
	return checkDeviceObject("config", c.Config)
}

func checkDeviceTexts(id, kind, name, endpoint string) error {
	if id == "" || len(id) > MaxDeviceID || strings.ContainsRune(id, 0) {
		return fault.New(fault.TooLarge, "a device's id has 1 to %d bytes and no zero: %.64q", MaxDeviceID, id)
	}
	for _, text := range [...]string{id, kind, name, endpoint} {
		if len(text) > MaxDeviceText || !utf8.ValidString(text) {
			return fault.New(fault.TooLarge, "the type, the name and the endpoint of a device are UTF-8 of at most %d bytes: device %.64q", MaxDeviceText, id)
		}
	}
	return nil
}

// CheckTag refuses a tag that cannot be kept.
func CheckTag(name, value string) error {
	if name == "" || len(name) > MaxTagName || len(value) > MaxTagValue || !utf8.ValidString(name+value) || strings.ContainsRune(name+value, 0) {
		return fault.New(fault.Invalid, "a tag has a name of 1 to %d bytes and a value of at most %d, in UTF-8: %.64q", MaxTagName, MaxTagValue, name)
	}
	return nil
}

func checkDeviceObject(what string, raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	if len(raw) > MaxDeviceObject {
		return fault.New(fault.TooLarge, "the %s of a device have at most %d bytes", what, MaxDeviceObject)
	}
	if trimmed := bytes.TrimSpace(raw); !json.Valid(raw) || len(trimmed) == 0 || trimmed[0] != '{' {
		return fault.New(fault.Invalid, "the %s of a device are one JSON object", what)
	}
	return nil
}
