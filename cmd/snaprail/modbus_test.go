package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// python runs a script of the tests until they end, and waits for its "ready".
func python(t *testing.T, imports string, args ...string) {
	t.Helper()
	path := os.Getenv("SNAPRAIL_PYTHON")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "python", "bin", "python3")
	}
	if err := exec.Command(path, "-c", "import "+imports).Run(); err != nil {
		t.Skipf("no Python with %s: make test-setup installs it", imports)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		cancel()
		_ = cmd.Wait()
	})
	ready := make([]byte, 6)
	if _, err := out.Read(ready); err != nil || !strings.HasPrefix(string(ready), "ready") {
		t.Fatalf("%v did not start: %q, %v", args, ready, err)
	}
}

// nullModem are the two ends of a line between two processes, as socat has it.
func nullModem(t *testing.T) (a, b string) {
	t.Helper()
	if _, err := exec.LookPath("socat"); err != nil {
		t.Skip("no socat: make test-setup installs it")
	}
	dir := t.TempDir()
	a, b = filepath.Join(dir, "a"), filepath.Join(dir, "b")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "socat", "pty,raw,echo=0,link="+a, "pty,raw,echo=0,link="+b)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.After(patience); ; {
		if _, err := os.Stat(b); err == nil {
			return a, b
		}
		select {
		case <-again.C:
		case <-end:
			t.Fatal("socat made no line")
		}
	}
}

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// modbusProfile is what both transports are asked for.
const modbusProfile = `{
	"sendDataOnlyOnChange": true,
	"timeseries": [
		{"tag": "volts", "address": 0, "divider": 10, "unit": "V", "sendDataOnlyOnChange": false},
		{"tag": "celsius", "address": 1, "type": "16int"},
		{"tag": "energy", "address": 2, "type": "uint32"},
		{"tag": "flow", "address": 4, "type": "float32", "writable": true},
		{"tag": "lamp", "functionCode": 1, "address": 3, "writable": true},
		{"tag": "tenths", "functionCode": 4, "address": 0}
	],
	"attributes": [{"tag": "model", "address": 6, "type": "string", "objectsCount": 3}],
	"rpc": [{"tag": "far", "address": 100, "functionCode": 6}, {"tag": "nowhere", "address": 900}]
}`

// TestModbusConnector: the connector that ships, against devices of another make,
// on a line and over TCP: values come out, an RPC and an update are written and
// read back, what a device refuses is told, and one that refuses everything does
// not keep the others from being polled.
func TestModbusConnector(t *testing.T) {
	line, far := nullModem(t)
	simulator := filepath.Join("..", "..", "connectors-wasm", "modbus", "testdata", "simulator.py")
	python(t, "pymodbus, serial", simulator, "rtu", far)
	address, tunnel := freeAddress(t), freeAddress(t)
	for kind, at := range map[string]string{"tcp": address, "rtutcp": tunnel} {
		_, port, _ := net.SplitHostPort(at)
		python(t, "pymodbus, serial", simulator, kind, port)
	}

	n := newNode(t)
	c := n.activate(json.Marshal(map[string]any{
		"name": "plant", "module": n.push("modbus"),
		"config": json.RawMessage(`{"baudrate":19200,"timeout":2,"profiles":{"p":` + modbusProfile + `}}`),
		"grants": []any{
			map[string]any{"group": "serial", "resources": []string{line}, "rights": []string{"read", "write"}, "reason": "the line"},
			map[string]any{
				"group": "tcp", "resources": []string{address, tunnel, "cidr:127.0.0.0/8"}, "rights": []string{"read", "write"}, "reason": "the controller",
				// Polls write without being asked to; who asks is judged.
				"interlock": json.RawMessage(`{"unasked": true, "tags": [
					{"tag": "flow", "min": 0, "max": 10}, {"tag": "lamp"}, {"tag": "volts"},
					{"tag": "far", "method": "far", "max": 100}, {"tag": "nowhere", "method": "nowhere"}, {"tag": "*", "method": "read", "tag_at": "/tag"}]}`),
			},
		},
	}))
	for id, d := range map[string]struct {
		endpoint string
		unit     int
	}{"cellar": {line, 1}, "attic": {line, 2}, "gone": {line, 9}, "boiler": {"tcp://" + address, 1}, "shed": {"rtu+tcp://" + tunnel, 2}} {
		in := client.DeviceInput{
			ID: id, Type: "modbus", Endpoint: d.endpoint,
			Config: json.RawMessage(fmt.Sprintf(`{"profile":"p","unitId":%d}`, d.unit)), Poll: spec.Poll{Interval: spec.Duration(100 * time.Millisecond)},
		}
		if _, err := n.api.AddDevice(t.Context(), c.ID, in, client.Patience{}); err != nil {
			t.Fatal(err)
		}
	}
	n.state(c.ID, lifecycle.Running)

	want := map[string]string{
		"cellar": "230.1 V -10 100000 21.5 true Hello", "attic": "230.2 V -10 100000 21.5 true Hello", "boiler": "230.1 V -10 100000 21.5 true Hello",
		"shed": "230.2 V -10 100000 21.5 true Hello",
	}
	got := map[string]map[string]string{}
	full := func(id string) string {
		v := got[id]
		return fmt.Sprintf("%s V %s %s %s %s %s", v["volts"], v["celsius"], v["energy"], v["flow"], v["lamp"], strings.Trim(v["model"], `"`))
	}
	n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		if got[r.Device] == nil {
			got[r.Device] = map[string]string{}
		}
		for _, v := range r.Values {
			got[r.Device][v.Name] = string(v.JSON)
		}
		for id, all := range want {
			if full(id) != all || got[id]["tenths"] == "" {
				return false
			}
		}
		return true
	})

	ask := func(kind, device, method, data string) string {
		t.Helper()
		var said []string
		err := n.api.Send(t.Context(), kind, c.ID, client.Message{Device: device, Method: method, Data: json.RawMessage(data)}, func(r client.Reply) error {
			said = append(said, r.Status+" "+string(r.Data))
			if r.Error != nil {
				said = append(said, fmt.Sprintf("%+v", *r.Error))
			}
			return nil
		})
		if err != nil {
			said = append(said, err.Error())
		}
		return strings.Join(said, "\n")
	}
	for _, device := range []string{"attic", "boiler", "shed"} {
		if got := ask("rpc", device, "far", `77`); !strings.Contains(got, `"success":true`) {
			t.Errorf("%s: an RPC: %s", device, got)
		}
		if got := ask("rpc", device, "read", `{"tag":"far"}`); !strings.Contains(got, `"value":77`) {
			t.Errorf("%s: read back: %s", device, got)
		}
		if got := ask("rpc", device, "nowhere", `1`); !strings.Contains(got, "exception 2 (illegal data address") {
			t.Errorf("%s: an address that is not there: %s", device, got)
		}
		if got := ask("attributes", device, "", `{"flow":3.25,"lamp":false,"volts":1}`); strings.Count(got, `"success":true`) != 2 || !strings.Contains(got, "not_writable") {
			t.Errorf("%s: an update: %s", device, got)
		}
		n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return r.Device == device && value(r, "flow") == "3.25" })
		n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return r.Device == device && value(r, "lamp") == "false" })
	}
	for _, m := range []struct{ kind, method, data string }{{"attributes", "", `{"flow":50}`}, {"rpc", "far", `101`}, {"rpc", "write", `{"tag":"far","value":1}`}} {
		if got := ask(m.kind, "boiler", m.method, m.data); !strings.Contains(got, "may not be more") && !strings.Contains(got, "interlock") {
			t.Errorf("%s %s is beyond the interlock: %s", m.method, m.data, got)
		}
	}
	if got := ask("rpc", "boiler", "read", `{"tag":"far"}`); !strings.Contains(got, `"value":77`) {
		t.Errorf("read back: %s", got)
	}
	// The simulator answers for a unit that it does not have.
	if got := ask("rpc", "gone", "far", `1`); !strings.Contains(got, "Code:server_device_failure") {
		t.Errorf("a device that is not there: %s", got)
	}
	s := n.state(c.ID, lifecycle.Running)
	if s.Lanes == nil || s.Lanes.Total != 3 {
		t.Errorf("the lanes: %+v, want one for each endpoint", s.Lanes)
	}
}

// TestLanesShareALine: with a lane for each device, devices on one line share it by
// turns, polls and RPCs alike: no answer goes to another's question.
func TestLanesShareALine(t *testing.T) {
	line, far := nullModem(t)
	python(t, "pymodbus, serial", filepath.Join("..", "..", "connectors-wasm", "modbus", "testdata", "simulator.py"), "rtu", far)
	n := newNode(t)
	c := n.activate(json.Marshal(map[string]any{
		"name": "plant", "module": n.pushBytes(manifested(t, "modbus", func(m map[string]any) { m["lanes"] = "device" })),
		"config": json.RawMessage(`{"baudrate":19200,"timeout":2,"timeseries":[{"tag":"volts","address":0},{"tag":"flow","address":4,"type":"float32"}],"rpc":[{"tag":"far","address":100}]}`),
		"grants": []any{map[string]any{"group": "serial", "resources": []string{line}, "rights": []string{"read", "write"}, "reason": "the line"}},
	}))
	want := map[string]string{"cellar": "2301", "attic": "2302"}
	for id, unit := range map[string]int{"cellar": 1, "attic": 2} {
		in := client.DeviceInput{
			ID: id, Type: "modbus", Endpoint: line, Config: json.RawMessage(fmt.Sprintf(`{"unitId":%d}`, unit)), Poll: spec.Poll{Interval: spec.Duration(20 * time.Millisecond)},
		}
		if _, err := n.api.AddDevice(t.Context(), c.ID, in, client.Patience{}); err != nil {
			t.Fatal(err)
		}
	}
	often := func(times int) {
		t.Helper()
		polled := map[string]int{}
		n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
			if got := value(r, "volts"); got != "" && got != want[r.Device] {
				t.Errorf("%s says %s, want %s", r.Device, got, want[r.Device])
			}
			polled[r.Device]++
			return polled["cellar"] > times && polled["attic"] > times
		})
	}
	often(1)
	for i := range 10 {
		device := []string{"cellar", "attic"}[i%2]
		m := client.Message{Device: device, Method: "far", Data: json.RawMessage(fmt.Sprint(i))}
		err := n.api.Send(t.Context(), "rpc", c.ID, m, func(r client.Reply) error {
			if r.Error != nil {
				t.Errorf("%s: %+v", device, *r.Error)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	often(20)
	s := n.state(c.ID, lifecycle.Running)
	if s.Lanes == nil || s.Lanes.Total != 2 {
		t.Errorf("the lanes: %+v", s.Lanes)
	}
}
