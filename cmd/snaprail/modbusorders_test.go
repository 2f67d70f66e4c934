package main

import (
	"encoding/json"
	"maps"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestModbusOrders: numbers and texts whose registers, and whose bytes in them, stand
// in either order are what a server of another make has put there.
func TestModbusOrders(t *testing.T) {
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	python(t, "pymodbus, serial", filepath.Join("..", "..", "connectors-wasm", "modbus", "testdata", "simulator.py"), "tcp", port)
	items, want, at := []any{}, map[string]string{}, 200
	put := func(tag, kind, words, bytes string, registers int, value string) {
		it := map[string]any{"tag": tag, "address": at, "type": kind, "wordOrder": words, "byteOrder": bytes}
		if kind == "string" {
			it["objectsCount"] = registers
		}
		items, want[tag], at = append(items, it), value, at+registers
	}
	for _, o := range []struct{ words, bytes string }{{"BIG", "BIG"}, {"BIG", "LITTLE"}, {"LITTLE", "BIG"}, {"LITTLE", "LITTLE"}} {
		put("f"+o.words+o.bytes, "float32", o.words, o.bytes, 2, "-123456.5")
		put("i"+o.words+o.bytes, "int32", o.words, o.bytes, 2, "-70000")
	}
	put("u64", "uint64", "LITTLE", "BIG", 4, "1099511627783")
	put("i64", "int64", "BIG", "LITTLE", 4, "-1099511627776")
	put("f64", "float64", "LITTLE", "LITTLE", 4, "0.1")
	put("text", "string", "BIG", "LITTLE", 2, `"pump"`)
	n := newNode(t)
	c := n.activate(json.Marshal(map[string]any{
		"name": "plant", "module": n.push("modbus"), "config": map[string]any{"timeseries": items},
		"grants": []any{map[string]any{"group": "tcp", "resources": []string{address, "cidr:127.0.0.0/8"}, "rights": []string{"read", "write"}, "reason": "the controller"}},
	}))
	in := client.DeviceInput{ID: "plc", Type: "modbus", Endpoint: address, Poll: spec.Poll{Interval: spec.Duration(50 * time.Millisecond)}}
	if _, err := n.api.AddDevice(t.Context(), c.ID, in, client.Patience{}); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		got = map[string]string{}
		for _, v := range r.Values {
			got[v.Name] = string(v.JSON)
		}
		return got["text"] != "" && got["text"] != "null" // the first may come before the connection
	})
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
