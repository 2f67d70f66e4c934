package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	connectorswasm "github.com/snaprail/snaprail/connectors-wasm"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// demoName is the name of the demo's connector and of its device.
const demoName = "weather-station"

// runDemo is the command demo: a real server, a simulated station at a real
// port, and the way that a user would take through the API.
func runDemo(ctx context.Context, o demoOptions) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ln, err := listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	if o.Data == "" {
		if o.Data, err = os.MkdirTemp("", "snaprail-demo-"); err != nil {
			return errors.Join(fault.Wrap(fault.Internal, err, "temporary folder"), ln.Close())
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Data)) }()
	}
	s, err := openServer(ctx, o.Data, o.Keys, defaultMaxModule, spec.Ceiling{MemoryBytes: defaultTenantMemory}, o.Log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	port, err := newStation(false)
	if err != nil {
		return errors.Join(err, ln.Close(), s.close(ctx))
	}
	served, played := make(chan error, 1), make(chan error, 1)
	go func() {
		served <- s.serve(ctx, ln, serveOptions{Log: o.Log, MaxModule: defaultMaxModule, Version: o.Version})
	}()
	go func() { played <- port.play(ctx, o.Interval) }()

	d := demo{demoOptions: o, url: "http://" + ln.Addr().String(), port: port.Port}
	err = d.run(ctx, s)
	if ctx.Err() != nil && fault.Is(err, fault.Canceled) {
		err = nil // Ctrl-C is how the demo ends, at any time
	}
	cancel()
	err = errors.Join(err, <-played, <-served, s.close(context.WithoutCancel(ctx)), port.close())
	if err == nil {
		fmt.Fprintf(o.Terminal.err, "%d records printed\n", d.seen)
	}
	return err
}

// demo is the user of the demo's server.
type demo struct {
	demoOptions
	url  string
	port string
	api  *client.Client
	seen int
}

func (d *demo) run(ctx context.Context, s *server) error {
	token, err := s.ownToken(ctx, d.Data, "demo")
	if err != nil {
		return err
	}
	if d.api, err = client.New(client.Config{Server: d.url, Token: token, Timeout: time.Minute}); err != nil {
		return err
	}
	defer d.api.Close()
	fmt.Fprintf(d.Terminal.err, "API          %s/api  (reference: %s/docs)\nstatus page  %s/?token=%s\nstation      %s\ncompiling and uploading the two modules ...\n",
		d.url, d.url, d.url, token, d.port)
	id, err := d.connect(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Terminal.err, "connector    %s  (Ctrl-C stops the demo)\n\n", id)
	return d.print(ctx, id)
}

// connect uploads the shipped modules and activates a connector that is
// granted the station's port and nothing else.
func (d *demo) connect(ctx context.Context) (id string, err error) {
	line, err := d.push(ctx, "serialline")
	if err != nil {
		return "", err
	}
	frame, err := d.push(ctx, "textframe")
	if err != nil {
		return "", err
	}
	spec, err := stationConnector(demoName, line, frame, d.port)
	if err != nil {
		return "", err
	}
	c, err := d.api.CreateConnector(ctx, spec)
	if fault.Is(err, fault.Exists) {
		old, getErr := d.api.Connector(ctx, demoName)
		if getErr != nil {
			return "", getErr
		}
		c, err = d.api.UpdateConnector(ctx, old.ID, spec, 0)
	}
	if err != nil {
		return "", err
	}
	_, err = d.api.Activate(ctx, c.ID)
	return c.ID, err
}

func (d *demo) push(ctx context.Context, name string) (digest string, err error) {
	wasm, err := connectorswasm.Module(name)
	if err != nil {
		return "", fault.Wrap(fault.NotFound, err, "shipped modules").WithHint("Run `make build`.")
	}
	m, _, err := d.api.PushModule(ctx, bytes.NewReader(wasm), nil)
	return m.Digest, err
}

// stationConnector is the connector of a station, as the API takes it. With
// extra fields it reads numbered frames.
func stationConnector(name, line, frame, port string, extra ...map[string]any) (json.RawMessage, error) {
	fields := append([]map[string]any{
		{"name": "temperature", "from": 0, "to": 2, "type": "int", "unit": "Cel"},
		{"name": "humidity", "from": 2, "to": 4, "type": "int", "unit": "%"},
		{"name": "battery", "from": 4, "to": 6, "type": "int", "unit": "%"},
	}, extra...)
	return json.Marshal(map[string]any{
		"name":      name,
		"module":    line,
		"config":    map[string]any{"port": port, "devices": []any{map[string]any{"name": name, "type": "weather"}}},
		"converter": map[string]any{"module": frame, "config": map[string]any{"fields": fields}},
		"grants": []any{map[string]any{
			"group": "serial", "resources": []string{port}, "rights": []string{"read", "write"}, "reason": "the station's port",
		}},
	})
}

// print shows the telemetry of the connector as it comes, until there were
// enough records or the user has seen enough.
func (d *demo) print(ctx context.Context, id string) error {
	err := d.api.Stream(ctx, client.StreamOptions{From: "start", Connector: id}, func(r client.Record) error {
		if r.Kind != "telemetry" {
			return nil
		}
		text := recordLine(r)
		if d.JSON {
			text = string(r.Raw)
		}
		if _, err := fmt.Fprintln(d.Terminal.out, text); err != nil {
			return fault.Wrap(fault.Internal, err, "print")
		}
		if d.seen++; d.seen == d.Records {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || ctx.Err() != nil {
		return nil //nolint:nilerr // enough was seen, or the user has seen enough
	}
	return err
}
