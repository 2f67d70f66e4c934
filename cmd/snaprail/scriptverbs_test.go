package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// verb is a command of a script.
type verb = func(ts *testscript.TestScript, neg bool, args []string)

// verbs are the commands that scripts have beside testscript's own.
func verbs() map[string]verb {
	return map[string]verb{
		"wasm": writeModule, "setuplink": setupLinkVerb, "redeem": redeemVerb, "server": serverVerb, "station": stationVerb,
		"ports": portsVerb, "exits": exitsVerb, "capture": captureVerb, "fill": fillVerb, "json": jsonVerb, "waitfor": waitForVerb, "jsonlines": jsonLinesVerb,
	}
}

// serverKey is where a script's running server is kept.
type serverKey struct{}

// serverVerb is the script command
//
//	server start [flags...]
//	server stop
//
// A started server keeps its data in $SNAPRAIL_DATA; $SNAPRAIL_SERVER and
// $SNAPRAIL_TOKEN lead to it. It ends with the script.
func serverVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 1 && args[0] != "start" {
		ts.Fatalf("usage: server start [flags...] | server stop")
	}
	running := ts.Value(serverKey{}).(*scriptServer)
	switch args[0] {
	case "start":
		p, err := startServer(ts.Getenv("SNAPRAIL_DATA"), args[1:]...)
		ts.Check(err)
		running.process = p
		ts.Setenv("SNAPRAIL_SERVER", p.url)
		ts.Setenv("SNAPRAIL_TOKEN", p.token)
	case "stop":
		ts.Check(running.stop())
	default:
		ts.Fatalf("server: start or stop, not %q", args[0])
	}
}

// scriptServer is the server of a script, if it has one.
type scriptServer struct{ *process }

// stop ends the server well.
func (s *scriptServer) stop() error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	if err := p.end(syscall.SIGTERM); err != nil {
		return err
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the server ended with %d:\n%s", code, p.stderr)
	}
	return nil
}

// stationVerb is the script command
//
//	station interval
//
// which plays a weather station until the end of the script. $STATION is its
// port.
func stationVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: station interval")
	}
	interval, err := time.ParseDuration(args[0])
	ts.Check(err)
	s, err := newStation(false)
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.play(ctx, interval) }()
	ts.Defer(func() {
		cancel()
		ts.Check(errors.Join(<-done, s.close()))
	})
	ts.Setenv("STATION", s.Port)
}

// exitsVerb is the script command
//
//	exits code program args...
//
// exec with an exit code.
func exitsVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), code, want)
	}
}

// waitForVerb is the script command
//
//	waitfor regexp program args...
//
// exec again and again until what it prints matches, for what the server writes
// a little later.
func waitForVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor regexp program args...")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has not come", args[0])
		}
	}
}

// captureVerb is the script command
//
//	capture name [json.path]
//
// which keeps the last stdout, or a part of its JSON, in the environment.
func captureVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: capture name [json.path]")
	}
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		text = jsonPart(ts, text, args[1])
	}
	ts.Setenv(args[0], text)
}

// fillVerb is the script command
//
//	fill file...
//
// which writes the environment in the place of ${names} into files.
func fillVerb(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}

// jsonVerb is the script command
//
//	[!] json path regexp
//
// which looks at a part of the JSON on the last stdout: names and indexes,
// with points between them.
func jsonVerb(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json path regexp")
	}
	want, err := regexp.Compile("^(?:" + args[1] + ")$")
	ts.Check(err)
	if got := jsonPart(ts, ts.ReadFile("stdout"), args[0]); want.MatchString(got) == neg {
		ts.Fatalf("%s is %s, want %s", args[0], got, args[1])
	}
}

// jsonLinesVerb is the script command
//
//	jsonlines n
//
// which wants n lines on the last stdout, each one a JSON object, and nothing
// else.
func jsonLinesVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jsonlines n")
	}
	n := 0
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var object map[string]any
		if n++; json.Unmarshal([]byte(line), &object) != nil || !strings.HasSuffix(line, "}\n") {
			ts.Fatalf("line %d is no JSON object: %q", n, line)
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("%d lines, want %s", n, args[0])
	}
}

// jsonPart is a part of a JSON text: a string without its quotes, everything
// else as JSON; "absent" if it is not there.
func jsonPart(ts *testscript.TestScript, text, path string) string {
	var v any
	ts.Check(json.Unmarshal([]byte(text), &v))
	for name := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			ts.Check(err)
			if i >= len(in) {
				return "absent"
			}
			v = in[i]
		default:
			return "absent"
		}
	}
	if v == nil {
		return "absent"
	}
	if s, ok := v.(string); ok {
		return s
	}
	raw, err := json.Marshal(v)
	ts.Check(err)
	return string(raw)
}

// writeModule is the script command
//
//	wasm file export,... [module.function ...]
//
// which writes a module with these exported functions, a memory, and these
// imports, all with the types that they should have; but those with a ! at the
// end of the name have none.
func writeModule(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: wasm file exports imports...")
	}
	var m wasmtest.Module
	m.Pages = 1
	for _, name := range args[2:] {
		module, function, _ := strings.Cut(name, ".")
		name, untyped := strings.CutSuffix(function, "!")
		i := wasmtest.Import{Module: module, Name: name}
		if known, ok := wasiTypes()[name]; ok && !untyped {
			i.Params, i.Results = known, "i"
		} else if !untyped {
			i.Params, i.Results = "iiii", "I"
		}
		m.Imports = append(m.Imports, i)
	}
	for name := range strings.SplitSeq(args[1], ",") {
		name, untyped := strings.CutSuffix(name, "!")
		f := wasmtest.Function{Export: name}
		switch {
		case untyped:
		case name == abi.ExportAlloc:
			f.Params, f.Results, f.Body = "i", "i", wasmtest.I32(0)
		default:
			f.Params, f.Results, f.Body = "ii", "I", wasmtest.I64(0)
		}
		m.Functions = append(m.Functions, f)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), m.Bytes(), 0o600))
}

// wasiTypes are the parameters of the functions of WASI that scripts import.
func wasiTypes() map[string]string {
	return map[string]string{"path_open": "iiiiiIIii", "sock_send": "iiiii", "fd_write": "iiii", "clock_time_get": "iIi"}
}
