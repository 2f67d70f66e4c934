package spec_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/spec"
)

var update = flag.Bool("update", false, "add new fields to the golden files")

func day(d int) time.Time { return time.Date(2026, 1, d, 10, 20, 30, 0, time.UTC) }

// connector has every field set.
func connector() spec.Connector {
	return spec.Connector{
		ID: "con_01KE2X7Q8Z5T3R9V1W4Y6A0BCD", Name: "Weather station", Module: digest('a'),
		Category: "telemetry", ProviderType: "serialline", Default: true,
		Config: json.RawMessage(`{"devices":[{"name":"station","port":"/dev/ttyUSB0"}]}`),
		Params: []spec.Param{{
			Key: "installed.client_secret", Value: "v", FileID: "fil_1", Type: spec.ParamSecret, Encoding: "base64", Sequence: 10,
			Secret: &spec.SecretInfo{Set: true, Fingerprint: "f", UpdatedAt: day(1)},
		}},
		OAuth:     &spec.OAuthTokens{Account: "a@b", Scopes: []string{"files"}, ExpiresAt: day(5), Refreshed: day(4), Failure: "late", Stopped: true, RefreshExpiresAt: day(6)},
		Converter: converter(),
		OnChange:  spec.ChangeReconnect, Set: "line 3", Remote: true, DeviceManager: spec.ManagerMemory, Owner: "u-1", Mapping: []spec.Mapping{{Tag: "t", Pointer: "/t", Unit: "Cel"}},
		Feed: spec.Feed{From: []string{"press-7"}, IDs: []string{"con_2"}, Start: spec.FeedOldest, MaxRecords: 100, MaxWaitMS: 250},
		Grants: []spec.Grant{{
			Group: "serial", Resources: []string{"/dev/ttyUSB*"}, Rights: []spec.Right{spec.Read, spec.Write},
			Reason: "Reads the station.", GrantedBy: "admin", GrantedAt: day(1), Interlock: interlock(),
		}},
		Limits:  limits(),
		Poll:    spec.Poll{Interval: spec.Duration(2 * time.Second)},
		Enabled: true, Status: spec.StatusConnected, StatusMessage: "opened /dev/ttyUSB0", LastTestedAt: day(2),
		Tested: digest('c'), Consents: []spec.Consent{{Module: digest('a'), Asks: digest('d'), By: "admin", At: day(1)}}, Created: day(1), Updated: day(3), Revision: 7,
	}
}

// module has every field set.
func module() spec.Module {
	return spec.Module{
		Digest: digest('a'), Size: 1234567,
		Manifest: abi.Manifest{
			Category: "serial", ProviderType: "serialline", DisplayName: "Serial line", Description: "Reads frames.",
			Version: "1.2.3", ABI: abi.Version{Major: 1, Minor: 2}, Kind: abi.KindConnector, Mode: abi.ModeEvent, Lanes: "device", Polls: abi.PollsDevice,
			ConfigSchema: json.RawMessage(`{"type":"object"}`),
			Capabilities: []abi.Capability{{Group: "serial", Optional: true, Reason: "Reads.", Rights: []string{"read"}}},
			DeviceTypes:  []string{"serial"}, EntryPoints: []string{"close", "test"},
			Extism: &abi.Extism{Convert: "count_vowels", ContentType: "application/json"},
			OAuth:  &abi.OAuth{AuthorizeURL: "https://a/authorize", TokenURL: "https://a/token", Scopes: []string{"files"}, Issuer: "https://a"},
		},
		Imports: []spec.Import{{Module: "snaprail:serial", Function: "open"}},
		Exports: []string{"open", "on_events"}, Handles: []string{"on_query"}, Uploaded: day(1),
		Proposal: &spec.Proposal{
			Config: json.RawMessage(`{"vowels":"aeiou"}`), Limits: limits(), Notes: []string{"allowed_paths: never"},
			Grants: []spec.Grant{{
				Group: "http", Resources: []string{"example.com"}, Rights: []spec.Right{spec.Read}, Reason: "It asks.",
				GrantedBy: "admin", GrantedAt: day(1), Interlock: interlock(),
			}},
		},
	}
}

func device() spec.Device {
	return spec.Device{
		ID: "station", Connector: "con_1", UUID: "u-1", Type: "serial", Name: "Station", Tags: map[string]string{"hall": "3"},
		Attributes: json.RawMessage(`{"vendor":"a"}`), Hash: "da39", Endpoint: "/dev/ttyUSB0", Config: json.RawMessage(`{"unit":1}`),
		Poll: spec.Poll{Interval: spec.Duration(time.Second)}, Converter: converter(),
		AttributeUpdates: []spec.AttributeUpdate{{Attribute: "rate", Template: "rate=${rate}"}},
		Mapping:          []spec.Mapping{{Tag: "t", Pointer: "/t", Unit: "Cel"}},
		State:            spec.DeviceDisconnected, Registered: true, Known: true, Held: true, Added: day(4), Updated: day(5), Revision: 3,
	}
}

func converter() *spec.Converter {
	return &spec.Converter{
		Module: digest('b'), Config: json.RawMessage(`{"fields":[]}`), Limits: limits(),
		Then: []spec.Stage{{Module: digest('c'), Config: json.RawMessage(`{"scale":2}`), Limits: limits()}},
	}
}

func interlock() *spec.Interlock {
	low, high, step := 1.0, 9.5, 0.5
	return &spec.Interlock{
		Tags:  []spec.TagRule{{Tag: "rate", Method: "set", Value: "/value", TagAt: "/tag", Min: &low, Max: &high, Step: &step, PerMinute: 6}},
		Hours: []string{"Mon-Fri 06:00-18:00"}, Zone: "Europe/Berlin",
		Requires: []spec.Requirement{{Device: "station", Tag: "door", Min: &low, Max: &high, Equals: "shut", MaxAge: spec.Duration(time.Minute)}},
		DryRun:   true, SecondPerson: true, Unasked: true,
	}
}

func tenant() spec.Tenant {
	return spec.Tenant{ID: "plant", Created: day(1), Deleting: day(2), Ceiling: spec.Ceiling{
		Connector: limits(), MemoryBytes: 1 << 30, CPU: 1.5,
		Quota: spec.Quota{Connectors: 10, Modules: 20, ModuleBytes: 1 << 20, RequestsPerMinute: 600, ChangesPerMinute: 60},
		Grantable: []spec.Grant{{
			Group: "http", Resources: []string{"https://*"}, Rights: []spec.Right{spec.Read}, Reason: "r", GrantedBy: "root", GrantedAt: day(1), Interlock: interlock(),
		}},
	}}
}

func category() spec.Category {
	return spec.Category{Name: "email", DisplayName: "E-mail", Description: "Sends.", BuiltIn: true, Revision: 2, Operations: []spec.Operation{{
		Name: "send_message", Description: "Send one.", Parameters: []string{"to"}, Optional: []string{"cc"},
	}}}
}

func file() spec.File {
	return spec.File{ID: "fil_1", Name: "key.pem", MIME: "application/x-pem-file", Size: 10, Digest: digest('e'), Created: day(1)}
}

// limits has every field set.
func limits() spec.Limits {
	return spec.Limits{
		MemoryBytes: 64 << 20, TableEntries: 1000, StackWords: 4096,
		CallTimeout: spec.Duration(1500 * time.Millisecond), OpenTimeout: spec.Duration(time.Minute),
		Timeouts:    map[string]spec.Duration{"on_events": spec.Duration(time.Second)},
		OutputBytes: 65536, OutputRecords: 100, HostCallsPerSecond: 500, HostBytesPerSecond: 1 << 20,
		LogLinesPerSecond: 10, KVBytes: 1 << 16, KVCallsPerSecond: 100, HTTPInFlight: 2, CPU: 0.5,
	}
}

func digest(c byte) string { return string(bytes.Repeat([]byte{c}, 64)) }

// TestStoredFormIsGolden: what an older version has stored is still read, name
// by name, and comes out as it went in. A file is only ever added to: -update
// refuses to write over a field that today's types do not read.
func TestStoredFormIsGolden(t *testing.T) {
	golden(t, "connector", connector())
	golden(t, "module", module())
	golden(t, "device", device())
	golden(t, "tenant", tenant())
	golden(t, "category", category())
	golden(t, "file", file())
}

func golden[T any](t *testing.T, name string, full T) {
	t.Helper()
	whole(t, name, reflect.ValueOf(full))
	file := filepath.Join("testdata", name+".json")
	stored, err := os.ReadFile(file)
	switch isNew := os.IsNotExist(err); {
	case isNew && *update:
	case err != nil:
		t.Fatal(err)
	default:
		var old T
		dec := json.NewDecoder(bytes.NewReader(stored))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&old); err != nil {
			t.Fatalf("%s, as an older version wrote it, is not read: %v", file, err)
		}
		compact(t, reflect.ValueOf(&old).Elem())
		if !*update && !reflect.DeepEqual(old, full) {
			t.Errorf("%s reads as\n%+v\nwant\n%+v", file, old, full)
		}
	}
	now, err := json.MarshalIndent(full, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	now = append(now, '\n')
	if *update {
		if err := os.WriteFile(file, now, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(now, stored) {
		t.Errorf("%s is written as\n%s", file, now)
	}
}

// compact takes the indentation of the golden file out of raw JSON.
func compact(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			compact(t, v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, field := range v.Fields() {
			compact(t, field)
		}
	case reflect.Slice:
		if raw, ok := reflect.TypeAssert[json.RawMessage](v); ok {
			if len(raw) == 0 { // of a time before the field was
				return
			}
			var b bytes.Buffer
			if err := json.Compact(&b, raw); err != nil {
				t.Fatal(err)
			}
			v.SetBytes(b.Bytes())
			return
		}
		for i := range v.Len() {
			compact(t, v.Index(i))
		}
	default:
	}
}

// whole sees that a field which is new is in the golden file too.
func whole(t *testing.T, at string, v reflect.Value) {
	t.Helper()
	if v.IsZero() {
		t.Errorf("%s is not set, so its stored form is not tested", at)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		whole(t, at, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for field, value := range v.Fields() {
			if field.Tag.Get("json") != "-" { // that is never stored
				whole(t, at+"."+field.Name, value)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			whole(t, at+"[0]", v.Index(0))
		}
	default:
	}
}

// TestFieldsOfTheFutureAreSkipped: a newer version's file is read as far as it
// is known.
func TestFieldsOfTheFutureAreSkipped(t *testing.T) {
	var c spec.Connector
	if err := json.Unmarshal([]byte(`{"id":"con_1","placement":{"node":3},"revision":2}`), &c); err != nil || c.Revision != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestEmptyPartsAreNotStored keeps a plain connector's file plain.
func TestEmptyPartsAreNotStored(t *testing.T) {
	raw, err := json.Marshal(spec.Connector{ID: "con_1", Name: "n", Module: "m", Status: spec.StatusDraft, Created: day(1), Updated: day(1), Revision: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"con_1","name":"n","module":"m","enabled":false,"status":"draft","created":"2026-01-01T10:20:30Z","updated":"2026-01-01T10:20:30Z","revision":1}`
	if string(raw) != want {
		t.Errorf("got\n%s\nwant\n%s", raw, want)
	}
}

func TestDurationReads(t *testing.T) {
	for src, want := range map[string]time.Duration{
		`"1.5s"`: 1500 * time.Millisecond, `"2m"`: 2 * time.Minute, `"0s"`: 0, `"-1s"`: -time.Second,
		`1.5`: 1500 * time.Millisecond, `0.29`: 290 * time.Millisecond, `60`: time.Minute, `0`: 0, `-0.001`: -time.Millisecond,
		`1e-9`: 1, `9e9`: 9e9 * time.Second, `null`: 0,
	} {
		var d spec.Duration
		if err := json.Unmarshal([]byte(src), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%s is %s, %v, want %s", src, time.Duration(d), err, want)
		}
	}
	for _, src := range []string{`"1.5"`, `"soon"`, `""`, `true`, `{}`, `[1]`, `1e300`, `-1e300`, `9.3e9`, `"9999999h"`} {
		d := spec.Duration(42)
		if err := json.Unmarshal([]byte(src), &d); err == nil || d != 42 {
			t.Errorf("%s became %s, %v", src, time.Duration(d), err)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	for _, d := range []time.Duration{0, 1, time.Millisecond, 1500 * time.Millisecond, 90 * time.Minute, -time.Second, 1<<63 - 1} {
		raw, err := json.Marshal(spec.Duration(d))
		if err != nil {
			t.Fatal(err)
		}
		var back spec.Duration
		if err := json.Unmarshal(raw, &back); err != nil || time.Duration(back) != d {
			t.Errorf("%s was written %s and read %s, %v", d, raw, time.Duration(back), err)
		}
	}
}

func TestDurationOr(t *testing.T) {
	for d, want := range map[spec.Duration]time.Duration{0: 5, -1: 5, 7: 7} {
		if got := d.Or(5); got != want {
			t.Errorf("%d or 5 is %d, want %d", d, got, want)
		}
	}
}

func key(t *testing.T, c spec.Connector) string {
	t.Helper()
	k, err := c.TestKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeyChangesWithWhatAGuestNotices: after any of these a passed test says
// nothing any more.
func TestKeyChangesWithWhatAGuestNotices(t *testing.T) {
	was := key(t, connector())
	for name, change := range map[string]func(*spec.Connector){
		"module":             func(c *spec.Connector) { c.Module = digest('x') },
		"config":             func(c *spec.Connector) { c.Config = json.RawMessage(`{}`) },
		"a parameter":        func(c *spec.Connector) { c.Params[0].Value = "x" },
		"a secret":           func(c *spec.Connector) { c.Params[0].Secret.Fingerprint = "x" },
		"no parameters":      func(c *spec.Connector) { c.Params = nil },
		"no config":          func(c *spec.Connector) { c.Config = nil },
		"converter":          func(c *spec.Connector) { c.Converter = nil },
		"converter's module": func(c *spec.Connector) { c.Converter.Module = digest('x') },
		"converter's config": func(c *spec.Connector) { c.Converter.Config = nil },
		"no grants":          func(c *spec.Connector) { c.Grants = nil },
		"group":              func(c *spec.Connector) { c.Grants[0].Group = "http" },
		"resources":          func(c *spec.Connector) { c.Grants[0].Resources = []string{"/dev/ttyUSB1"} },
		"rights":             func(c *spec.Connector) { c.Grants[0].Rights = []spec.Right{spec.Read} },
		"memory":             func(c *spec.Connector) { c.Limits.MemoryBytes-- },
		"call timeout":       func(c *spec.Connector) { c.Limits.CallTimeout++ },
		"open timeout":       func(c *spec.Connector) { c.Limits.OpenTimeout++ },
		"a timeout":          func(c *spec.Connector) { c.Limits.Timeouts["on_events"]++ },
		"share":              func(c *spec.Connector) { c.Limits.CPU /= 2 },
		"converter's limits": func(c *spec.Connector) { c.Converter.Limits.StackWords++ },
	} {
		c := connector()
		if change(&c); key(t, c) == was {
			t.Errorf("%s: the key is the same", name)
		}
	}
}

// TestKeyStaysWithoutSuchAChange: what no guest can notice asks for no test.
func TestKeyStaysWithoutSuchAChange(t *testing.T) {
	was := key(t, connector())
	for name, change := range map[string]func(*spec.Connector){
		"nothing":        func(*spec.Connector) {},
		"name":           func(c *spec.Connector) { c.Name = "Other" },
		"enabled":        func(c *spec.Connector) { c.Enabled = false },
		"status":         func(c *spec.Connector) { c.Status, c.StatusMessage = spec.StatusError, "x" },
		"times":          func(c *spec.Connector) { c.Created, c.Updated, c.LastTestedAt = day(9), day(9), day(9) },
		"revision":       func(c *spec.Connector) { c.Revision++ },
		"tested":         func(c *spec.Connector) { c.Tested = "" },
		"default":        func(c *spec.Connector) { c.Default = false },
		"tokens":         func(c *spec.Connector) { c.OAuth = nil },
		"same secret":    func(c *spec.Connector) { c.Params[0].Secret.UpdatedAt = day(9) },
		"poll":           func(c *spec.Connector) { c.Poll.Interval++ },
		"who granted":    func(c *spec.Connector) { c.Grants[0].GrantedBy = "root" },
		"when granted":   func(c *spec.Connector) { c.Grants[0].GrantedAt = day(9) },
		"why granted":    func(c *spec.Connector) { c.Grants[0].Reason = "" },
		"blanks in JSON": func(c *spec.Connector) { c.Config = append([]byte(" \n"), c.Config...) },
		"stored and read": func(c *spec.Connector) {
			raw, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			*c = spec.Connector{}
			if err := json.Unmarshal(raw, c); err != nil {
				t.Fatal(err)
			}
		},
	} {
		c := connector()
		if change(&c); key(t, c) != was {
			t.Errorf("%s: the key changed", name)
		}
	}
}

func TestKeyNeedsJSON(t *testing.T) {
	c := connector()
	c.Config = json.RawMessage(`{`)
	if _, err := c.TestKey(); err == nil {
		t.Error("a config that is no JSON has a key")
	}
}

// TestInterlockThatIsNull is told from one that is left out, there and back.
func TestInterlockThatIsNull(t *testing.T) {
	for text, unlock := range map[string]bool{
		`{"group":"serial","interlock":null}`: true,
		`{"group":"serial"}`:                  false,
		`{"group":"serial","interlock":{}}`:   false,
	} {
		var g spec.Grant
		if err := json.Unmarshal([]byte(text), &g); err != nil || g.Unlock != unlock {
			t.Errorf("%s: Unlock is %t, %v", text, g.Unlock, err)
		}
		if back, err := json.Marshal(g); err != nil || string(back) != text {
			t.Errorf("%s became %s, %v", text, back, err)
		}
	}
}
