package connectorswasm

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// shipped are the folders beside this file that hold a module.
func shipped(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no modules: %v", err)
	}
	for i := range mains {
		mains[i] = filepath.Dir(mains[i])
	}
	return mains
}

func manifest(t *testing.T, name string) (*abi.Manifest, []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(name, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := abi.ParseManifest(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m, text
}

func TestManifests(t *testing.T) {
	for _, name := range shipped(t) {
		m, _ := manifest(t, name)
		if m.ProviderType != name {
			t.Errorf("%s calls itself %s", name, m.ProviderType)
		}
		if err := m.ABI.Served(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var examples = regexp.MustCompile("(?s)```json\n(.*?)```")

// TestExamples holds the examples in the READMEs, and what a schema says are
// defaults, against the schemas.
func TestExamples(t *testing.T) {
	for _, name := range shipped(t) {
		m, _ := manifest(t, name)
		schema := compile(t, inFull(t, m.ConfigSchema))
		readme, err := os.ReadFile(filepath.Join(name, "README.md"))
		if errors.Is(err, fs.ErrNotExist) && name != "serialline" && name != "textframe" {
			continue // a connector of the reader's own, made as the main README says
		}
		if err != nil {
			t.Fatal(err)
		}
		found := examples.FindAllSubmatch(readme, -1)
		if len(found) == 0 {
			t.Errorf("%s: the README has no example", name)
		}
		for _, example := range found {
			if err := validate(t, schema, string(example[1])); err != nil {
				t.Errorf("%s: the README's example breaks the schema: %v", name, err)
			}
		}
	}
}

func TestSchemas(t *testing.T) {
	for name, configs := range map[string]struct{ good, bad []string }{
		"serialline": {
			good: []string{
				`{"devices":[{"name":"a"}]}`,
				`{"devices":[{"name":"a","type":"t","port":"/dev/x","exclusive":null,"stopbits":1.5,"write_timeout":0.5}]}`,
				`{"port":"/dev/x","baudrate":9600,"bytesize":7,"parity":"M","stopbits":2,"timeout":0,"xonxoff":true,
				  "rtscts":true,"write_timeout":null,"dsrdtr":true,"inter_byte_timeout":0.1,"exclusive":false,"open_timeout":1,
				  "open_retry_delay":0.5,"delimiter":"\r\n","max_frame":100,"content_type":"text/plain","devices":[{"name":"a"}]}`,
			},
			bad: []string{
				`{}`, `{"devices":[]}`, `{"devices":[{}]}`, `{"devices":[{"name":""}]}`,
				`{"devices":[{"name":"a","parity":"X"}]}`, `{"devices":[{"name":"a","bytesize":9}]}`,
				`{"devices":[{"name":"a"}],"stopbits":3}`, `{"devices":[{"name":"a"}],"baudrate":0}`,
				`{"devices":[{"name":"a","delimiter":""}]}`, `{"devices":[{"name":"a","speed":1}]}`,
				`{"devices":[{"name":"a"}],"speed":1}`, `{"devices":[{"name":"a","timeout":-1}]}`,
			},
		},
		"s3": {
			good: []string{`{"bucket":"abc","access_key":"a","secret_key":"b"}`, `{"bucket":"abc","access_key":"a","secret_key":"b","region":"x","endpoint":"https://m","path_style":false,"session_token":"t"}`},
			bad:  []string{`{}`, `{"access_key":"a","secret_key":"b"}`, `{"bucket":"abc","secret_key":"b"}`, `{"bucket":"abc","access_key":"a"}`, `{"bucket":"a/b","access_key":"a","secret_key":"b"}`},
		},
		"opcua": {
			good: []string{
				`{"endpoint":"opc.tcp://plc1:4840"}`,
				`{"endpoint":"opc.tcp://plc1","policy":"Basic256Sha256","mode":"Sign","allow_insecure":true,"username":"a","password":"secret://b","poll":5,"any_node":true,
				  "items":[{"name":"a","node":"ns=2;s=A","device":"d","unit":"Cel","writable":true,"sampling":0,"queue":4,"deadband":1,"percent":true}]}`,
			},
			bad: []string{
				`{}`, `{"endpoint":"http://a"}`, `{"endpoint":"opc.tcp://a","policy":"Basic1"}`, `{"endpoint":"opc.tcp://a","mode":"Encrypt"}`,
				`{"endpoint":"opc.tcp://a","items":[{"name":"a"}]}`, `{"endpoint":"opc.tcp://a","items":[{"node":"i=1"}]}`,
				`{"endpoint":"opc.tcp://a","interval":0}`, `{"endpoint":"opc.tcp://a","items":[{"name":"a","node":"i=1","deadband":-1}]}`,
			},
		},
		"modbus": {
			good: []string{
				`{}`,
				`{"timeout":0.3,"baudrate":19200,"parity":"E","stopbits":2,"inter_byte_timeout":null,"turnaround":0.005,"unitId":3,"profiles":{"m":{"timeseries":[{"tag":"a","address":0}]}}}`,
				`{"wordOrder":"LITTLE","max_gap":0,"any_register":true,"timeseries":[{"tag":"a","address":0,"type":"32float","functionCode":4,"multiplier":2,"divider":10,"offset":-4,"unit":"V","sendDataOnlyOnChange":true,"deadband":0.5}],
				  "attributes":[{"tag":"b","address":9,"type":"string","objectsCount":8}],"attributeUpdates":[{"tag":"c","address":1,"functionCode":6}],"rpc":[{"tag":"d","address":1,"functionCode":5}]}`,
			},
			bad: []string{
				`{"timeout":0}`, `{"parity":"X"}`, `{"unitId":256}`, `{"speed":1}`, `{"timeseries":[{"tag":"a"}]}`, `{"timeseries":[{"address":1}]}`,
				`{"timeseries":[{"tag":"a","address":65536}]}`, `{"timeseries":[{"tag":"a","address":0,"functionCode":7}]}`, `{"wordOrder":"MIDDLE"}`,
				`{"profiles":{"m":{"timeout":1}}}`, `{"max_registers":126}`, `{"timeseries":[{"tag":"a","address":0,"type":"int128"}]}`,
			},
		},
		"mtconnect": {
			good: []string{
				`{"url":"http://agent:5000"}`,
				`{"url":"https://a","device":"d","path":"//Axes","count":1,"names":"id","conditions":false,"username":"u","password":"secret://p","timeout":0.5,"max_body":4096}`,
			},
			bad: []string{
				`{}`, `{"url":"agent:5000"}`, `{"url":"http://"}`, `{"url":"http://a","count":0}`, `{"url":"http://a","count":101}`, `{"url":"http://a","names":"both"}`,
				`{"url":"http://a","timeout":0}`, `{"url":"http://a","max_body":1}`, `{"url":"http://a","interval":1}`,
			},
		},
		"kafkasource": {
			good: []string{
				`{"brokers":["k1:9092"],"topic":"t","group":"g"}`,
				`{"brokers":["k1"],"topic":"t","group":"g","start":"latest","device":"d","device_header":"h","device_by_key":true,"content_type":"text/plain","tls":true,"mechanism":"PLAIN","username":"u","password":"secret://p"}`,
			},
			bad: []string{
				`{}`, `{"brokers":[],"topic":"t","group":"g"}`, `{"brokers":["k1"],"topic":"a/b","group":"g"}`, `{"brokers":["k1"],"topic":"t"}`,
				`{"brokers":["k1"],"topic":"t","group":"g","start":"now"}`, `{"brokers":["k1"],"topic":"t","group":"g","mechanism":"GSSAPI"}`,
			},
		},
		"sparkplug": {
			good: []string{
				`{"url":"mqtt://b","group":"g","node":"n"}`,
				`{"url":"mqtts://b:8883","mqtt_version":5,"client_id":"c","username":"u","password":"secret://p","group":"g","node":"n","primary_host":"scada","aliases":false,
				  "device_by":"connector","node_device":"gw","device_timeout":60,"attributes_prefix":"","types":{"a/*":"Float"},"writes":"rpc","write_method":"set","write_timeout":1}`,
			},
			bad: []string{
				`{}`, `{"url":"tcp://b","group":"g","node":"n"}`, `{"url":"mqtt://b","group":"g/h","node":"n"}`, `{"url":"mqtt://b","group":"g","node":""}`,
				`{"url":"mqtt://b","group":"g","node":"n","mqtt_version":3}`, `{"url":"mqtt://b","group":"g","node":"n","types":{"a":"Template"}}`,
				`{"url":"mqtt://b","group":"g","node":"n","writes":"yes"}`,
			},
		},
		"mqttsource": {
			good: []string{
				`{"url":"mqtt://b","subscriptions":[{"topic":"a/#"}]}`,
				`{"url":"mqtts://b:8883","version":4,"client_id":"c","username":"u","password":"secret://p","session_expiry":0,"subscriptions":[{"topic":"a/${device}","qos":2,"format":"values"}],
				  "rpc_topic":"a/${device}/${method}","any_topic":true,"publish_qos":0,"retained":false,"source_key":"id"}`,
			},
			bad: []string{
				`{}`, `{"url":"mqtt://b"}`, `{"url":"tcp://b","subscriptions":[{"topic":"a"}]}`, `{"url":"mqtt://b","subscriptions":[]}`, `{"url":"mqtt://b/x","subscriptions":[{"topic":"a"}]}`,
				`{"url":"mqtt://b","subscriptions":[{"topic":"a","qos":3}]}`, `{"url":"mqtt://b","version":3,"subscriptions":[{"topic":"a"}]}`, `{"url":"mqtt://b","subscriptions":[{"topic":"a"}],"format":"xml"}`,
			},
		},
		"mqttsink": {
			good: []string{
				`{"url":"mqtt://b","topic":"t"}`,
				`{"url":"mqtts://b","version":4,"client_id":"c","topic":"p/${device}/${connector}","value":"json","qos":2,"retain":true,"expiry":60,"properties":false,"ca":"c","certificate":"c","key":"secret://k"}`,
			},
			bad: []string{`{}`, `{"url":"mqtt://b"}`, `{"url":"http://b","topic":"t"}`, `{"url":"mqtt://b","topic":""}`, `{"url":"mqtt://b","topic":"t","qos":3}`, `{"url":"mqtt://b","topic":"t","value":"xml"}`},
		},
		"kafkasink": {
			good: []string{
				`{"brokers":["k1:9092"],"topic":"t"}`,
				`{"brokers":["k1"],"topic":"p.${device}.${connector}","key":"device","value":"json","headers":false,"create":{"partitions":3},"compression":"zstd","tls":true,"client_key":"secret://k","certificate":"c","mechanism":"PLAIN","username":"u","password":"secret://p"}`,
			},
			bad: []string{
				`{}`, `{"brokers":[],"topic":"t"}`, `{"brokers":["k1"]}`, `{"brokers":["k1"],"topic":""}`, `{"brokers":["k1"],"topic":"t","key":"x"}`,
				`{"brokers":["k1"],"topic":"t","create":true}`, `{"brokers":["k1"],"topic":"t","compression":"rar"}`, `{"brokers":["k1"],"topic":"t","group":"g"}`,
			},
		},
		"httpsink": {
			good: []string{`{"url":"https://a.example/x"}`, `{"url":"http://10.0.0.1","method":"PUT","format":"cloudevents","gzip":true,"headers":{"A":"secret://b"},"timeout":10}`},
			bad:  []string{`{}`, `{"url":"a"}`, `{"url":"https://a","method":"GET"}`, `{"url":"https://a","format":"xml"}`, `{"url":"https://a","timeout":0}`, `{"url":"https://a","header":{}}`},
		},
		"httppoll": {
			good: []string{
				`{"url":"https://a.example/x"}`, `{"url":"http://10.0.0.1:8080","method":"POST","body":"{}","headers":{"A":"secret://b"},"interval":0.5,"fields":[{"name":"a","pointer":"/b"}]}`,
			},
			bad: []string{`{}`, `{"url":"ftp://a"}`, `{"url":"https://"}`, `{"url":"https://a","method":"PUT"}`, `{"url":"https://a","interval":0}`, `{"url":"https://a","each":"x"}`, `{"url":"https://a","fields":[{}]}`},
		},
		"webhook": {
			good: []string{
				`{}`, `{"paths":["/orders/*"],"methods":["POST"],"auth":"stripe","secret":"secret://a","id_headers":["X-Id"],"timeout":5,"device_part":2,"reply":{"status":200}}`,
			},
			bad: []string{
				`{"paths":[]}`, `{"paths":["orders"]}`, `{"methods":["TRACE"]}`, `{"auth":"digest"}`, `{"format":"xml"}`, `{"reply":{}}`, `{"reply":{"status":100}}`,
				`{"device_pointer":"id"}`, `{"timeout":61}`, `{"max_body":1048576}`, `{"path":"/"}`,
			},
		},
		"thingsboard": {
			good: []string{
				`{"url":"mqtt://b","access_token":"secret://t"}`,
				`{"url":"mqtts://b","login":"basic","client_id":"c","username":"u","password":"secret://p","device_by":"connector","device_type":"t","device_types":{"a":"b"},
				  "device_timeout":60,"drop_bad":true,"max_payload":65536,"shared_attributes":["a"],"rpc_timeout":1}`,
			},
			bad: []string{
				`{}`, `{"url":"http://b","access_token":"t"}`, `{"url":"mqtt://b","login":"oauth"}`, `{"url":"mqtt://b","max_payload":10}`,
				`{"url":"mqtt://b","device_types":{"a":""}}`, `{"url":"mqtt://b","rpc_timeout":0}`,
			},
		},
		"slackhook": {
			good: []string{`{"url":"https://hooks.slack.com/services/a"}`},
			bad:  []string{`{}`, `{"url":"ftp://x"}`, `{"url":"https://x","chanel":"y"}`},
		},
		"webhookmail": {
			good: []string{`{"url":"https://x.example/send"}`},
			bad:  []string{`{}`, `{"url":"mail"}`, `{"url":"https://x","token":"y"}`},
		},
		"regexp": {
			good: []string{`{"patterns":[{"pattern":"(?P<a>x)"}]}`, `{"all":true,"unmatched":"pass","patterns":[{"pattern":"(x)","fields":[{"name":"a","group":"1","type":"auto","scale":2}]}]}`},
			bad:  []string{`{}`, `{"patterns":[]}`, `{"patterns":[{}]}`, `{"patterns":[{"pattern":"x"}],"unmatched":"drop"}`, `{"patterns":[{"pattern":"x","fields":[{"group":"1"}]}]}`},
		},
		"json": {
			good: []string{`{"fields":[{"name":"a"}]}`, `{"each":"","device":"id","time":"$.t","time_format":"ms","fields":[{"name":"a","path":"/b","optional":true,"type":"bool"}]}`},
			bad:  []string{`{}`, `{"fields":[]}`, `{"fields":[{"path":"$.a"}]}`, `{"fields":[{"name":"a"}],"time_format":"days"}`, `{"fields":[{"name":"a","type":"float"}]}`},
		},
		"binary": {
			good: []string{`{"fields":[{"name":"a","type":"uint8"}]}`, `{"input":"hex","endian":"little","min_length":1,"max_length":9,"checksum":{"type":"crc32","from":1,"at":-4,"endian":"big"},"fields":[{"name":"a","type":"int16","at":-2,"bit":1,"bits":4,"missing":"0x8000","endian":"big_swap"}]}`},
			bad:  []string{`{}`, `{"fields":[]}`, `{"fields":[{"name":"a"}]}`, `{"fields":[{"name":"a","type":"uint9"}]}`, `{"endian":"middle","fields":[{"name":"a","type":"uint8"}]}`, `{"checksum":{},"fields":[{"name":"a","type":"uint8"}]}`},
		},
		"textframe": {
			good: []string{
				`{"fields":[{"name":"v","from":0,"type":"int"}]}`,
				`{"encoding":"utf-8","strip":[],"fields":[{"name":"v","from":1,"to":2,"type":"double","unit":"Cel","kind":"attribute","scale":0.1,"offset":-4}]}`,
				`{"fields":[],"publish":"${body}","command":{"*":"x"},"rpc":{"a":"b"},"attributeUpdates":[{"attributeOnThingsBoard":"a","stringToDevice":"${a}"}]}`,
			},
			bad: []string{
				`{}`, `{"fields":[{"name":"v","from":0}]}`, `{"fields":[{"name":"v","from":0,"type":"float"}]}`,
				`{"fields":[],"rpc":{"a":1}}`, `{"fields":[],"attributeUpdates":[{"attribute":"a","template":"t","unit":"x"}]}`,
				`{"fields":[{"name":"v","from":-1,"type":"int"}]}`, `{"encoding":"latin-1","fields":[{"name":"v","from":0,"type":"int"}]}`,
				`{"fields":[{"name":"v","from":0,"type":"int","width":2}]}`,
			},
		},
	} {
		m, _ := manifest(t, name)
		schema := compile(t, m.ConfigSchema)
		for _, config := range configs.good {
			if err := validate(t, schema, config); err != nil {
				t.Errorf("%s refuses %s: %v", name, config, err)
			}
		}
		for _, config := range configs.bad {
			if err := validate(t, schema, config); err == nil {
				t.Errorf("%s accepts %s", name, config)
			}
		}
	}
}

// inFull is a schema in the form of JSON Schema, whichever it has.
func inFull(t *testing.T, schema []byte) []byte {
	t.Helper()
	s, err := param.ParseSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	return s.JSON()
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, config string) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(config))
	if err != nil {
		t.Fatalf("%s: %v", config, err)
	}
	return schema.Validate(value)
}

// TestModulesImportWhatTheyDeclare looks into the built modules: a group that a
// manifest does not name must not be linked in with the SDK, and one that it
// names should be used.
func TestModulesImportWhatTheyDeclare(t *testing.T) {
	for _, name := range shipped(t) {
		m, text := manifest(t, name)
		wasm, err := Module(name)
		if err != nil {
			t.Skip(err)
		}
		info, err := wasmbin.Read(wasm)
		if err != nil {
			t.Fatal(err)
		}
		var declared []string
		for _, c := range m.Capabilities {
			declared = append(declared, c.Group)
		}
		if got := groups(info); !slices.Equal(got, sorted(declared)) {
			t.Errorf("%s imports the groups %v and declares %v", name, got, declared)
		}
		for _, entry := range m.Required() {
			if !slices.ContainsFunc(info.Exports, func(e wasmbin.Export) bool { return e.Name == entry }) {
				t.Errorf("%s does not export %s", name, entry)
			}
		}
		packed, found, err := wasmbin.Section(wasm, abi.ManifestSection)
		if err != nil || !found || !bytes.Equal(bytes.TrimSpace(packed), bytes.TrimSpace(text)) {
			t.Errorf("%s: the packed manifest is not the one beside the source (found: %v, %v): run `make wasm`", name, found, err)
		}
	}
}

// groups are the host groups that a module imports, but for core.
func groups(info *wasmbin.Info) []string {
	var all []string
	for _, i := range info.Imports {
		if group, ok := strings.CutPrefix(i.Module, abi.ImportPrefix); ok && group != abi.CoreGroup {
			all = append(all, group)
		}
	}
	return slices.Compact(sorted(all))
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func TestModuleThatIsNotThere(t *testing.T) {
	_, err := Module("nothing")
	if err == nil || !strings.Contains(err.Error(), "make wasm") {
		t.Errorf("got %v, want an error that says what to run", err)
	}
}

func TestNamesAreThoseBuilt(t *testing.T) {
	for _, name := range Names() {
		if _, err := Module(name); err != nil {
			t.Error(err)
		}
		if !slices.Contains(shipped(t), name) {
			t.Errorf("%s is built and has no source", name)
		}
	}
}
