package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestInert(t *testing.T) {
	for in, want := range map[string]string{
		"größe 21 °C\tx\n":        "größe 21 °C\tx\n",
		"\x1b]0;x\a":              `\u001b]0;x\u0007`,
		"\u009b31m\u0085":         `\u009b31m\u0085`,
		"a\rb\x7f\x00":            `a\u000db\u007f\u0000`,
		"abc\u202edef\u2066":      `abc\u202edef\u2066`,
		"bad \x9b31m \xff\xc3 ok": "bad \ufffd31m \ufffd\ufffd ok",
	} {
		var whole, bytewise bytes.Buffer
		_, _ = (&inert{to: &whole}).Write([]byte(in))
		one := &inert{to: &bytewise}
		for i := range len(in) {
			if n, err := one.Write([]byte{in[i]}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if whole.String() != want || bytewise.String() != want {
			t.Errorf("%q: %q, and byte by byte %q; want %q", in, whole.String(), bytewise.String(), want)
		}
	}
}

// driving is text with everything that may drive a terminal.
func driving() string {
	var b strings.Builder
	b.WriteString("plain \x1b[2J\x1b]0;title\a\x1b]8;;http://evil.example\x1b\\link\x1bP$q\x1b\\")
	for c := range rune(0xa0) {
		if c < 0x20 || c >= 0x7f {
			b.WriteRune(c)
		}
	}
	return b.String() + "\u202e\u2066\u200f"
}

// fill puts that text into every text of a value.
func fill(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // other kinds hold no text
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1e9, 0).UTC()))
			return
		}
		for _, field := range v.Fields() {
			if field.CanSet() {
				fill(field)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			raw, _ := json.Marshal(map[string]string{driving(): driving()})
			v.Set(reflect.ValueOf(json.RawMessage(raw)))
			return
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(driving()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(driving())
	}
}

func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem())
	return v
}

// evilServer answers everything with such texts.
func evilServer(t *testing.T) string {
	t.Helper()
	answers := map[string]any{
		"/api/connectors":               client.List[client.Connector]{Items: []client.Connector{filled[client.Connector]()}},
		"/api/connectors/x":             filled[client.Connector](),
		"/api/connectors/x/status":      filled[lifecycle.Status](),
		"/api/connectors/x/test":        filled[client.TestResult](),
		"/api/connectors/x/logs":        client.List[client.LogLine]{Items: []client.LogLine{filled[client.LogLine]()}},
		"/api/modules":                  client.List[client.Module]{Items: []client.Module{filled[client.Module]()}},
		"/api/modules/0123456789abcdef": filled[client.Module](),
		"/api/devices":                  client.List[spec.Device]{Items: []spec.Device{filled[spec.Device]()}},
		"/api/audit":                    client.List[client.Event]{Items: []client.Event{filled[client.Event]()}},
		"/api/limits":                   filled[lifecycle.TenantLimits](),
		"/version":                      filled[client.Version](),
		"/api/types":                    client.List[client.Type]{Items: []client.Type{filled[client.Type]()}},
		"/api/categories":               client.List[spec.Category]{Items: []spec.Category{filled[spec.Category]()}},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch answer, ok := answers[q.URL.Path]; {
		case q.URL.Path == "/api/stream":
			w.Header().Set("Content-Type", "text/event-stream")
			raw, _ := json.Marshal(map[string]any{
				"position": "1.1", "device": driving(), "kind": "telemetry", "time": time.Unix(1e9, 0).UTC(), "values": map[string]string{driving(): driving()},
				"units": map[string]string{driving(): driving()},
			})
			fmt.Fprintf(w, "id: 1.1\nevent: record\ndata: %s\n\n", raw)
		case ok:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			p := filled[client.Problem]()
			p.Code, p.Status = "not_found", http.StatusNotFound
			_ = json.NewEncoder(w).Encode(p)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestAbuse28NothingDrivesTheTerminal: whatever a server, a guest or a device
// says, nothing that a command prints holds what drives a terminal, be it one
// or a pipe.
func TestAbuse28NothingDrivesTheTerminal(t *testing.T) {
	server := evilServer(t)
	for _, line := range []string{
		"connectors list", "connectors show x", "connectors status x", "connectors test x", "connectors show nothing", "modules list",
		"modules show 0123456789abcdef", "logs x", "devices", "audit", "limits", "types list", "categories list", "tail --from start -n 1",
		"modules show \x1b[31m", "connectors show \u009b31m", "\x1b[31m", "logs --\x1b[31m",
	} {
		for _, output := range []string{"table", "json"} {
			args := append(strings.Split(line, " "), "--server", server, "-o", output)
			env := func(name string) string { return map[string]string{"SNAPRAIL_TOKEN": "t", "HOME": t.TempDir()}[name] }
			var out, errs bytes.Buffer
			run(args, terminal{in: strings.NewReader(""), out: &out, err: &errs, env: env})
			if out.Len()+errs.Len() == 0 {
				t.Errorf("%q -o %s says nothing", line, output)
			}
			drivesNothing(t, fmt.Sprintf("%q -o %s, piped", line, output), out.String()+errs.String())
			drivesNothing(t, fmt.Sprintf("%q -o %s, on a terminal", line, output), onTerminal(t, args, env))
		}
	}
}

// onTerminal is what a terminal is sent.
func onTerminal(t *testing.T, args []string, env func(string) string) string {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(master) // which ends with an error when the other side is closed
		read <- string(text)
	}()
	run(args, terminal{in: strings.NewReader(""), out: slave, err: slave, env: env})
	_ = slave.Close()
	text := <-read
	_ = master.Close()
	return strings.ReplaceAll(text, "\r\n", "\n") // the terminal's own
}

func drivesNothing(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, drives) {
		t.Errorf("%s: %q", what, text)
	}
}
