package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/go/pointer"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

// config is what README.md says.
type config struct {
	URL      string            `json:"url"`
	Method   string            `json:"method"`
	Headers  map[string]string `json:"headers"`
	Body     string            `json:"body"`
	Username string            `json:"username"`
	Password string            `json:"password"`
	CA       string            `json:"ca"`
	Timeout  float64           `json:"timeout"` // s
	Retries  int               `json:"retries"`
	Interval float64           `json:"interval"` // s

	Format        string  `json:"format"`
	Each          string  `json:"each"`
	Device        string  `json:"device"`
	DevicePointer string  `json:"device_pointer"`
	TimePointer   string  `json:"time_pointer"`
	TimeFormat    string  `json:"time_format"`
	IDPointer     string  `json:"id_pointer"`
	Fields        []field `json:"fields"`

	SincePointer string `json:"since_pointer"`
	SinceParam   string `json:"since_param"`
	PagePointer  string `json:"page_pointer"`
	PageParam    string `json:"page_param"`
	MaxPages     int    `json:"max_pages"`

	each, device, time, id, since, page pointer.Pointer
	isEach                              bool
}

// field is one value of an element.
type field struct {
	reading.Config

	Pointer  string `json:"pointer"`
	Optional bool   `json:"optional"`

	at pointer.Pointer
}

func usual() config {
	return config{Method: "GET", Timeout: 3, Retries: 1, Interval: 60, Format: "json", Device: deviceType, TimeFormat: "rfc3339", MaxPages: 100}
}

// check reads what is a text in the config and more in the guest.
func (c *config) check() error {
	for _, p := range []struct {
		name, text string
		to         *pointer.Pointer
	}{
		{"each", c.Each, &c.each},
		{"device_pointer", c.DevicePointer, &c.device},
		{"time_pointer", c.TimePointer, &c.time},
		{"id_pointer", c.IDPointer, &c.id},
		{"since_pointer", c.SincePointer, &c.since},
		{"page_pointer", c.PagePointer, &c.page},
	} {
		read, err := pointer.Parse(p.text)
		if err != nil {
			return fmt.Errorf("/%s: %w", p.name, err)
		}
		*p.to = read
	}
	for i := range c.Fields {
		f := &c.Fields[i]
		if f.Pointer == "" {
			f.Pointer = "/" + f.Name
		}
		read, err := pointer.Parse(f.Pointer)
		if err != nil {
			return fmt.Errorf("/fields/%d/pointer: %w", i, err)
		}
		f.at = read
	}
	c.isEach = c.Each != ""
	switch {
	case c.since.Set != (c.SinceParam != ""):
		return errors.New("/since_param: since_pointer says where it stands in the answer, and since_param where it goes: both, or neither")
	case c.PageParam != "" && !c.page.Set:
		return errors.New("/page_param: page_pointer says where the next page stands in the answer")
	case c.Format == "raw" && (c.isEach || len(c.Fields) > 0 || c.device.Set || c.time.Set || c.id.Set || c.since.Set || c.page.Set):
		return errors.New("/format: pointers and fields look into JSON, and raw is none")
	}
	return nil
}

// onward is the address of the next page, which the answer names: of the same
// server, since the connector's secrets go with it.
func (c *config) onward(page string) (string, error) {
	scheme, rest, _ := strings.Cut(c.URL, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	origin := scheme + "://" + host
	switch {
	case strings.HasPrefix(page, "/") && !strings.HasPrefix(page, "//"):
		return origin + page, nil
	case page == origin || strings.HasPrefix(page, origin+"/") || strings.HasPrefix(page, origin+"?"):
		return page, nil
	}
	return "", failed("foreign_page", "the next page is "+reading.Clip([]byte(page))+", which is not at "+origin, 0)
}
