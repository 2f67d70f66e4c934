package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	connectorswasm "github.com/snaprail/snaprail/connectors-wasm"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// node is a server in a process of its own, on a data directory that outlives
// it: the real program, spoken to over HTTP.
type node struct {
	*process
	t   *testing.T
	dir string
	api *client.Client
}

// newNode starts a server on a new data directory.
func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{t: t, dir: filepath.Join(t.TempDir(), "data")}
	n.start()
	t.Cleanup(func() {
		if n.process != nil {
			n.kill()
		}
	})
	return n
}

// start starts the process and waits until it answers.
func (n *node) start() {
	n.t.Helper()
	p, err := startServer(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	n.process = p
	if n.api, err = client.New(client.Config{Server: n.url, Token: n.token, Timeout: time.Minute}); err != nil {
		n.t.Fatal(err)
	}
}

// kill ends the process at once, as a power cut of the process would.
func (n *node) kill() {
	n.t.Helper()
	if err := n.end(syscall.SIGKILL); err != nil {
		n.t.Fatal(err)
	}
	n.gone()
}

// stop asks the process to end and wants exit code 0.
func (n *node) stop() {
	n.t.Helper()
	if err := n.end(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		n.t.Errorf("exit code %d after SIGTERM:\n%s", code, n.stderr)
	}
	n.gone()
}

func (n *node) gone() {
	n.api.Close()
	n.process = nil
}

// push uploads a module: one that ships, or one of the tests'.
func (n *node) push(name string) string {
	n.t.Helper()
	return n.pushBytes(guestBytes(n.t, name))
}

func (n *node) pushBytes(wasm []byte) string {
	n.t.Helper()
	m, _, err := n.api.PushModule(n.t.Context(), bytes.NewReader(wasm), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return m.Digest
}

func guestBytes(t *testing.T, name string) []byte {
	t.Helper()
	wasm, err := connectorswasm.Module(name)
	if err != nil {
		wasm, err = os.ReadFile(filepath.Join("..", "..", "testdata", "guests", "dist", name+".wasm"))
	}
	if err != nil {
		t.Fatalf("%s is not built: run `make wasm`", name)
	}
	return wasm
}

// activate creates and activates a connector.
func (n *node) activate(spec json.RawMessage, err error) client.Connector {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := n.api.CreateConnector(n.t.Context(), spec)
	if err != nil {
		n.t.Fatal(err)
	}
	if c, err = n.api.Activate(n.t.Context(), c.ID); err != nil {
		n.t.Fatalf("%v\n%s", err, n.stderr)
	}
	return c
}

// until waits for a connector's status to be as wanted.
func (n *node) until(id, what string, ok func(*lifecycle.Status) bool) *lifecycle.Status {
	n.t.Helper()
	var last client.Connector
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); n.wait(5 * time.Millisecond) {
		var err error
		if last, err = n.api.Connector(n.t.Context(), id); err != nil {
			n.t.Fatal(err)
		}
		if last.Runtime != nil && ok(last.Runtime) {
			return last.Runtime
		}
	}
	n.t.Fatalf("the connector did not become %s: %+v\n%s", what, last.Runtime, n.stderr)
	return nil
}

func (n *node) state(id string, want lifecycle.State) *lifecycle.Status {
	n.t.Helper()
	return n.until(id, string(want), func(s *lifecycle.Status) bool { return s.State == want })
}

// wait lets time pass, which is what the test is about, and ends with the test.
func (n *node) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-n.t.Context().Done():
	}
}

// collect reads the stream on its own goroutine until stop is called or the
// server is gone. stop returns what was seen.
func (n *node) collect(o client.StreamOptions) (stop func() []client.Record) {
	ctx, cancel := context.WithCancel(n.t.Context())
	var seen []client.Record
	done := make(chan struct{})
	o.Lost = func(error) { cancel() }
	api := n.api
	go func() {
		defer close(done)
		_ = api.Stream(ctx, o, func(r client.Record) error {
			seen = append(seen, r)
			return nil
		})
	}()
	return func() []client.Record {
		cancel()
		<-done
		return seen
	}
}

// history reads the stream from its start until enough says so.
func (n *node) history(o client.StreamOptions, enough func(client.Record) bool) []client.Record {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	o.From = "start"
	var seen []client.Record
	err := n.api.Stream(ctx, o, func(r client.Record) error {
		seen = append(seen, r)
		if enough(r) {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		n.t.Fatalf("the history ended after %d records: %v", len(seen), err)
	}
	return seen
}

// value is one value of a record, as the server wrote it.
func value(r client.Record, name string) string {
	for _, v := range r.Values {
		if v.Name == name {
			return string(v.JSON)
		}
	}
	return ""
}

// playing starts a station that writes a numbered frame at every interval for
// as long as the test runs; 0: it stays silent.
func playing(t *testing.T, interval time.Duration) *station {
	t.Helper()
	s, err := newStation(true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if interval > 0 {
		go func() { done <- s.play(ctx, interval) }()
	} else {
		done <- nil
	}
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, s.close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// numberField reads the number at the end of a numbered frame.
func numberField() map[string]any {
	return map[string]any{"name": "number", "from": 6, "to": 14, "type": "uint"}
}

func number(t *testing.T, r client.Record) uint64 {
	t.Helper()
	var n uint64
	if _, err := fmt.Sscan(value(r, "number"), &n); err != nil {
		t.Fatalf("record without a number: %s", r.Raw)
	}
	return n
}
