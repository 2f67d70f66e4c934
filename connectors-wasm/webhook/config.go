package main

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/pointer"
)

// config is what README.md says.
type config struct {
	Paths   []string `json:"paths"`
	Methods []string `json:"methods"`

	Auth      string  `json:"auth"`
	Secret    string  `json:"secret"`
	Username  string  `json:"username"`
	Password  string  `json:"password"`
	Header    string  `json:"header"`
	Algorithm string  `json:"algorithm"`
	Encoding  string  `json:"encoding"`
	Prefix    string  `json:"prefix"`
	Field     string  `json:"field"`
	Signed    string  `json:"signed"`
	Timestamp string  `json:"timestamp"`
	Tolerance float64 `json:"tolerance"` // s

	ContentTypes []string `json:"content_types"`
	IDHeaders    []string `json:"id_headers"`
	MaxBody      uint64   `json:"max_body"`
	Timeout      float64  `json:"timeout"` // s
	Queue        uint32   `json:"queue"`
	Rate         uint32   `json:"rate"`

	Format        string   `json:"format"`
	ContentType   string   `json:"content_type"`
	Each          string   `json:"each"`
	Device        string   `json:"device"`
	DevicePart    int      `json:"device_part"`
	DeviceHeader  string   `json:"device_header"`
	DevicePointer string   `json:"device_pointer"`
	KeyPointer    string   `json:"key_pointer"`
	KeyHeader     string   `json:"key_header"`
	Headers       []string `json:"headers"`

	Reply *reply `json:"reply"`

	device, key, each pointer.Pointer
	isEach            bool
}

// reply is what callers are answered, in place of 202.
type reply struct {
	Status      int    `json:"status"`
	Body        string `json:"body"`
	ContentType string `json:"content_type"`
}

func usual() config {
	return config{Paths: []string{"/**"}, Auth: "none", Format: "json", Device: deviceType}
}

// check reads what is a text in the config and more in the guest.
func (c *config) check() error {
	for _, p := range []struct {
		name, text string
		to         *pointer.Pointer
	}{{"device_pointer", c.DevicePointer, &c.device}, {"key_pointer", c.KeyPointer, &c.key}, {"each", c.Each, &c.each}} {
		read, err := pointer.Parse(p.text)
		if err != nil {
			return snaprail.InvalidConfig("/"+p.name, "%s", err.Error())
		}
		*p.to = read
	}
	c.isEach = c.Each != ""
	if c.Format == "raw" && (c.isEach || c.device.Set || c.key.Set) {
		return snaprail.InvalidConfig("/format", "each, device_pointer and key_pointer look into JSON, and raw is none")
	}
	if c.Auth == "slack" && c.Reply == nil {
		c.Reply = &reply{Status: 200} // a challenge is answered, so all are
	}
	return nil
}

// open is what the host is asked for.
func (c *config) open() abi.HookOpen {
	o := abi.HookOpen{
		Paths: c.Paths, Methods: c.Methods, Auth: c.Auth, Secret: c.Secret, Username: c.Username, Password: c.Password,
		Header: c.Header, Algorithm: c.Algorithm, Encoding: c.Encoding, Prefix: c.Prefix, Field: c.Field, Signed: c.Signed, Timestamp: c.Timestamp,
		ToleranceMS: milliseconds(c.Tolerance), ContentTypes: c.ContentTypes, MaxBody: c.MaxBody, IDHeaders: c.IDHeaders,
		TimeoutMS: milliseconds(c.Timeout), Queue: c.Queue, Rate: c.Rate,
	}
	if c.Reply != nil {
		o.Reply = "guest"
	}
	c.preset(&o)
	return o
}

// preset fills in how a service signs its requests, where the config does not say
// otherwise.
func (c *config) preset(o *abi.HookOpen) {
	p, ok := presets()[c.Auth]
	if !ok {
		return
	}
	o.Auth = "hmac"
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&o.Header, p.Header},
		{&o.Algorithm, p.Algorithm},
		{&o.Encoding, p.Encoding},
		{&o.Prefix, p.Prefix},
		{&o.Field, p.Field},
		{&o.Signed, p.Signed},
		{&o.Timestamp, p.Timestamp},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if len(o.IDHeaders) == 0 {
		o.IDHeaders = p.IDHeaders
	}
}

// presets are the ways of services, as they document them.
func presets() map[string]abi.HookOpen {
	return map[string]abi.HookOpen{
		"github":  {Header: "X-Hub-Signature-256", Prefix: "sha256=", IDHeaders: []string{"X-GitHub-Delivery"}},
		"stripe":  {Header: "Stripe-Signature", Field: "v1", Timestamp: "t", Signed: "{timestamp}.{body}"},
		"slack":   {Header: "X-Slack-Signature", Prefix: "v0=", Timestamp: "X-Slack-Request-Timestamp", Signed: "v0:{timestamp}:{body}"},
		"shopify": {Header: "X-Shopify-Hmac-Sha256", Encoding: "base64", IDHeaders: []string{"X-Shopify-Webhook-Id"}},
	}
}

// milliseconds is a time in seconds, rounded up: what is a little is not nothing.
func milliseconds(seconds float64) uint64 {
	return uint64((snaprail.Seconds(seconds) + time.Millisecond - 1) / time.Millisecond)
}
