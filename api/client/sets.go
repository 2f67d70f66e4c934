package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Set is the connectors whose health is declared and probed together.
type Set struct {
	Name     string                `json:"name"`
	Health   lifecycle.Health      `json:"health" enum:"undeclared,healthy,unhealthy" doc:"What is probed: declared healthy, and working"`
	Declared lifecycle.Health      `json:"declared" enum:"undeclared,healthy,unhealthy" doc:"What the connectors say of themselves, together"`
	Working  bool                  `json:"working" doc:"Whether every connector that is to run does"`
	Members  []lifecycle.SetMember `json:"members"`
	Probe    *Probe                `json:"probe,omitempty" doc:"The TCP port that is open while the set is healthy; none: there is none"`
	Warnings []string              `json:"warnings,omitempty" doc:"What of a server.config could not be followed"`
}

// Probe is the TCP port of a set.
type Probe struct {
	Port  int    `json:"port"`
	Open  bool   `json:"open"`
	Fixed bool   `json:"fixed,omitempty" doc:"Named where the server was started, by --tcp-probe: it stands until the server ends"`
	Error string `json:"error,omitempty" doc:"Why it is not open although it should be"`
}

// SetProbe gives a set its port.
type SetProbe struct {
	Port int `json:"tcp_probe_port" minimum:"0" maximum:"65535" doc:"From 1024 on; 0: none"`
}

// SetCreate makes a connector for each source of a server.config.
type SetCreate struct {
	Name         string       `json:"name" minLength:"1" maxLength:"64" doc:"Of the set"`
	ServerConfig string       `json:"server_config" minLength:"1" maxLength:"65536" doc:"Properties with targetServer, authToken and sources"`
	Remote       bool         `json:"remote,omitempty" doc:"Whether the connectors' code attaches from outside, and is the program that the file was for"`
	Module       string       `json:"module,omitempty" doc:"Digest of the module of all; none: the type says which"`
	Category     string       `json:"category,omitempty" maxLength:"64"`
	ProviderType string       `json:"provider_type,omitempty" maxLength:"64"`
	Version      string       `json:"version,omitempty" maxLength:"64"`
	Grants       []spec.Grant `json:"grants,omitempty" doc:"Of each of the connectors"`
}

// Sets lists all sets.
func (c *Client) Sets(ctx context.Context) ([]Set, error) {
	return all[Set](ctx, c, "/api/sets", nil)
}

// Set shows a set.
func (c *Client) Set(ctx context.Context, name string) (s Set, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/sets/" + url.PathEscape(name)}, &s)
	return s, err
}

// ProbeSet gives a set its TCP port; 0: none.
func (c *Client) ProbeSet(ctx context.Context, name string, port int) (Set, error) {
	return c.postSet(ctx, "/api/sets/"+url.PathEscape(name)+"/probe", SetProbe{Port: port})
}

// CreateSet makes the connectors of a server.config.
func (c *Client) CreateSet(ctx context.Context, in SetCreate) (Set, error) {
	return c.postSet(ctx, "/api/sets", in)
}

func (c *Client) postSet(ctx context.Context, path string, in any) (s Set, err error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return s, fault.Wrap(fault.Usage, err, "set")
	}
	r := call{method: http.MethodPost, path: path}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &s)
	return s, err
}
