package abi_test

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// canonical holds the examples of RFC 8785, and what is odd.
var canonical = []struct{ src, want string }{
	{``, `{}`},
	{` {} `, `{}`},
	{`{ "b": 1, "a": [ true, false, null ] }`, `{"a":[true,false,null],"b":1}`},
	{`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]}`, `{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}`},
	{`[-0, 0.0, -1.0, 1e21, 1e20, 0.000001, 0.0000001, 9007199254740993]`, `[0,0,-1,1e+21,100000000000000000000,0.000001,1e-7,9007199254740992]`},
	{`"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"`, `"€$\u000f\nA'B\"\\\\\"/"`},
	{`"\b\t\n\u000b\f\r\u001f\u007f\u2028<>&"`, "\"\\b\\t\\n\\u000b\\f\\r\\u001f\u007f\u2028<>&\""},
	{
		`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
		"{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
	},
	{`{"a":1,"a":2}`, `{"a":2}`},
	{`{"ab":1,"a":2}`, `{"a":2,"ab":1}`},
}

func TestCanonicalIsThatOfRFC8785(t *testing.T) {
	for _, c := range canonical {
		got, err := abi.Canonical([]byte(c.src))
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", c.src, got, err, c.want)
		}
	}
	for _, src := range []string{`{`, `{} {}`, `1e400`, `nul`, `{"a":01}`, "\xff"} {
		if got, err := abi.Canonical([]byte(src)); !errors.Is(err, abi.ErrMalformed) {
			t.Errorf("%s became %s, %v", src, got, err)
		}
	}
}

// TestHashIsSHA1 holds the hash, which is written out for guests, to the standard
// library's, at all lengths around a block.
func TestHashIsSHA1(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := abi.Device{
			ID:   rapid.StringN(0, 200, 600).Draw(rt, "id"),
			Type: rapid.String().Draw(rt, "type"),
			Name: rapid.String().Draw(rt, "name"),
		}
		want := sha1.Sum([]byte(d.ID + "\x00" + d.Type + "\x00" + d.Name + "\x00{}\x00"))
		if got := d.Sum(); got != hex.EncodeToString(want[:]) {
			rt.Fatalf("%q: %s, want %x", d.ID, got, want)
		}
	})
	for n := range 200 {
		d := abi.Device{ID: strings.Repeat("x", n)}
		want := sha1.Sum([]byte(d.ID + "\x00\x00\x00{}\x00"))
		if got := d.Sum(); got != hex.EncodeToString(want[:]) {
			t.Errorf("%d bytes: %s, want %x", n, got, want)
		}
	}
}

// TestHashIsOfWhatTheDeviceIs changes each field: those of the device's own making
// change the hash, those of the host's do not, and neither does an order.
func TestHashIsOfWhatTheDeviceIs(t *testing.T) {
	device := func(change func(*abi.Device)) string {
		d := abi.Device{
			ID: "roof", Type: "meter", Name: "Roof", Attributes: []byte(`{"a":1,"b":2}`),
			Tags: []abi.Header{{Name: "x", Value: []byte("1")}, {Name: "y", Value: []byte("2")}},
		}
		if change != nil {
			change(&d)
		}
		return d.Sum()
	}
	before := device(nil)
	same := map[string]func(*abi.Device){
		"uuid":                func(d *abi.Device) { d.UUID = "u" },
		"endpoint":            func(d *abi.Device) { d.Endpoint = "e" },
		"config":              func(d *abi.Device) { d.Config = []byte(`{"c":1}`) },
		"hash":                func(d *abi.Device) { d.Hash = "h" },
		"state":               func(d *abi.Device) { d.State = "connected" },
		"order of tags":       func(d *abi.Device) { d.Tags[0], d.Tags[1] = d.Tags[1], d.Tags[0] },
		"order of attributes": func(d *abi.Device) { d.Attributes = []byte(`{"b": 2.0, "a": 1}`) },
	}
	for name, change := range same {
		if device(change) != before {
			t.Errorf("%s changed the hash", name)
		}
	}
	other := map[string]func(*abi.Device){
		"id":            func(d *abi.Device) { d.ID = "Roof" },
		"type":          func(d *abi.Device) { d.Type = "Meter" },
		"name":          func(d *abi.Device) { d.Name = "roof" },
		"tag's name":    func(d *abi.Device) { d.Tags[0].Name = "z" },
		"tag's value":   func(d *abi.Device) { d.Tags[0].Value = []byte("3") },
		"no tags":       func(d *abi.Device) { d.Tags = nil },
		"attributes":    func(d *abi.Device) { d.Attributes = []byte(`{"a":1,"b":3}`) },
		"no attributes": func(d *abi.Device) { d.Attributes = nil },
	}
	for name, change := range other {
		if device(change) == before {
			t.Errorf("%s did not change the hash", name)
		}
	}
}

func TestHashLeavesTheOrderOfTagsAlone(t *testing.T) {
	d := abi.Device{Tags: []abi.Header{{Name: "b"}, {Name: "a"}}}
	d.Sum()
	if d.Tags[0].Name != "b" {
		t.Error("the tags were sorted in place")
	}
}
