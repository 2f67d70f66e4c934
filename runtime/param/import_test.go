package param_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
)

const serverConfig = `authToken=XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX
sources=MySourceName
targetServer=https://dev.vantiq.com/
sendPings=true
`

const gatewayYAML = `thingsboard:
  host: demo.thingsboard.io
  port: 1883
  security:
    accessToken: PUT_YOUR_ACCESS_TOKEN_HERE
storage:
  type: memory
  max_records_count: 100000

connectors:

#  -
#    name: Modbus Connector
#    type: modbus
  -
    name: Custom Serial Connector
    type: serial
    configuration: custom_serial.json
    class: CustomSerialConnector
`

const connectorConf = `[CONNECTOR]
encryption = yes
host = gateway.example.com
port = 8093
user = me
password = p%w;d
gid =

[LOGGER]
level = info
rotating_log = no
rotating_log_backup_count = 14
`

func TestImportReadsTheFilesOfOtherSystems(t *testing.T) {
	for _, tt := range []struct{ name, mime, body, format, want string }{
		{
			"serverConfig/server.config", "", serverConfig, param.FormatServerConfig,
			`{"auth_token":"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX","sources":"MySourceName","target_server":"https://dev.vantiq.com/","send_pings":"true"}`,
		},
		{
			"tb_gateway.yaml", "", gatewayYAML, param.FormatYAML,
			`{"thingsboard":{"host":"demo.thingsboard.io","port":1883,"security":{"accessToken":"PUT_YOUR_ACCESS_TOKEN_HERE"}},"storage":{"type":"memory","max_records_count":100000},` +
				`"connectors":[{"name":"Custom Serial Connector","type":"serial","configuration":"custom_serial.json","class":"CustomSerialConnector"}]}`,
		},
		{
			`C:\connector\connector.conf`, "", connectorConf, param.FormatConnectorConf,
			`{"connector":{"encryption":"yes","host":"gateway.example.com","port":"8093","user":"me","password":"p%w;d","gid":""},` +
				`"logger":{"level":"info","rotating_log":"no","rotating_log_backup_count":"14"}}`,
		},
		{"", "application/json; charset=utf-8", ` {"a": 1} `, param.FormatJSON, `{"a": 1}`},
		{"x.ini", "", "a: 1\n[Some Part]\nKey = v\n  more\n; no\n", param.FormatINI, `{"a":"1","Some Part":{"key":"v\nmore"}}`},
		{"x.properties", "", "a.b = 1\n! no\na.c:2\nd e\\\n   f\nu=\\u00fc\\n\\u12\n", param.FormatProperties, `{"a":{"b":"1","c":"2"},"d":"ef","u":"ü\n\\u12"}`},
		{"", "", "\xef\xbb\xbf# c\nkey=v", param.FormatProperties, `{"key":"v"}`},
		{"", "", "# c\nkey: 0x1F\nd: 2020-01-01\ne: [yes, .5, ~, 'x']", param.FormatYAML, `{"key":31,"d":"2020-01-01","e":["yes",0.5,null,"x"]}`},
		{"", "text/yaml", "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", param.FormatYAML, `{"a":{"b":1,"c":2},"d":{"c":3,"b":1}}`},
		{"", "", "[s]\nk=v", param.FormatINI, `{"s":{"k":"v"}}`},
	} {
		got, format, err := param.Import(tt.name, tt.mime, []byte(tt.body))
		if err != nil || format != tt.format || string(got) != tt.want {
			t.Errorf("%s: %s, %v\ngot  %s\nwant %s", tt.name, format, err, got, tt.want)
		}
		if _, err := param.Flatten(got); err != nil {
			t.Errorf("%s cannot be flattened: %v", tt.name, err)
		}
	}
}

// TestServerConfigNamesWhatIsMissing: three properties are required.
func TestServerConfigNamesWhatIsMissing(t *testing.T) {
	_, _, err := param.Import("server.config", "", []byte("sendPings=true\nsources=\n"))
	if got := pointers(t, err); !slices.Equal(got, []string{"/target_server", "/auth_token", "/sources"}) {
		t.Errorf("missing: %v", got)
	}
}

// TestTokenOfTheFileGoesBeforeTheEnvironments: and fills in where there is none.
func TestTokenOfTheFileGoesBeforeTheEnvironments(t *testing.T) {
	token := func(body, env string) string {
		got, _, err := param.Import("server.config", "", param.WithAuthToken([]byte(body), env))
		if err != nil {
			return err.Error()
		}
		var o struct {
			Token string `json:"auth_token"`
		}
		if err := json.Unmarshal(got, &o); err != nil {
			t.Fatal(err)
		}
		return o.Token
	}
	const rest = "sources=a,b\ntargetServer=https://x"
	if got := token("authToken=file\n"+rest, "env"); got != "file" {
		t.Errorf("both: %s", got)
	}
	if got := token(rest, `en\v`); got != `en\v` {
		t.Errorf("only the environment: %s", got)
	}
	if got := token(rest, ""); !strings.Contains(got, "auth_token") {
		t.Errorf("neither: %s", got)
	}
}

// TestImportedTextsBecomeWhatTheSchemaWants: commas a list, yes a truth value,
// digits a number.
func TestImportedTextsBecomeWhatTheSchemaWants(t *testing.T) {
	schema := parse(t, `{"type":"object","properties":{
		"target_server":{"type":"string"},"auth_token":{"type":"string","x-secret":true},
		"sources":{"type":"array","items":{"type":"string"}},"send_pings":{"type":"boolean","default":false},
		"connector":{"properties":{"encryption":{"type":"boolean"},"port":{"type":"integer"},"gid":{"type":"string","minLength":1}}}}}`)
	for _, tt := range []struct{ name, body, want string }{
		{"server.config", "authToken=t\nsources=One, Two,\ntargetServer=https://x\nsendPings=true", `{"auth_token":"t","sources":["One","Two"],"target_server":"https://x","send_pings":true}`},
		{"connector.conf", "[CONNECTOR]\nencryption = yes\nport = 8093\ngid =\nhost=h", `{"connector":{"encryption":true,"port":8093,"host":"h"}}`},
	} {
		object, _, err := param.Import(tt.name, "", []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := param.Flatten(object)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := schema.Assemble(rows, text); err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", tt.name, err, got, tt.want)
		}
	}
}

func TestImportRefusesWhatIsNoSettings(t *testing.T) {
	for name, body := range map[string]string{
		"a.json": `[1]`, "b.json": `{"a":1,"a":2}`, "c.yaml": "- 1\n- 2", "d.yaml": "a: 1\na: 2", "e.yaml": "a: [", "f.yaml": "a: 1\n---\nb: 2",
		"g.yaml": "{a: 1}: 2", "h.yaml": "a: .inf", "i.yaml": "a: *nobody", "j.yaml": "<<: 1", "k.ini": "  indented", "l.ini": "nothing",
		"m.ini": "[]", "n.ini": "[a]\nb=1\nB=2", "o.properties": "a=1\na=2", "p.properties": "a=1\na.b=2", "q.properties": "=v",
		"server.config": "authToken=a\nauthToken=b", "r": " \n ", "s": "\xff",
		"t.yaml": "a: &a [*a]", "u.yaml": strings.Repeat("[", 5000), "v.yaml": "a: 99999999999999999999999x\nb: !!int 0xfffffffffffffffffffff",
	} {
		if got, _, err := param.Import(name, "", []byte(body)); !fault.Is(err, fault.ConfigInvalid) {
			t.Errorf("%s: %.100s, %v", name, got, err)
		}
	}
	if _, _, err := param.Import("x", "", make([]byte, param.MaxImport+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// TestAliasesThatMultiplyAreRefused: ten of ten of ten ... of one value, and by
// merging.
func TestAliasesThatMultiplyAreRefused(t *testing.T) {
	var list, merge strings.Builder
	list.WriteString("a0: &a0 [lol]\n")
	merge.WriteString("a0: &a0 {k: 1}\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&list, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
		fmt.Fprintf(&merge, "a%d: &a%d {<<: [%s]}\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	var wide strings.Builder // one mapping that is merged into itself again and again
	wide.WriteString("a: &a {")
	for i := range 1000 {
		fmt.Fprintf(&wide, "k%d: 1, ", i)
	}
	wide.WriteString("}\nb: {<<: [" + strings.TrimSuffix(strings.Repeat("*a,", 500), ",") + "]}\n")
	for _, body := range []string{list.String(), merge.String(), wide.String()} {
		began := time.Now()
		if _, _, err := param.Import("x.yaml", "", []byte(body)); !fault.Is(err, fault.ConfigInvalid) {
			t.Errorf("%.60s: %v", body, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %s", took)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, body := range []string{serverConfig, gatewayYAML, connectorConf, `{"a":{"b":1}}`, "a: &x [1]\nb: *x\n<<: {c: 2}", "a=\\u00fc\\\n b"} {
		for _, name := range []string{"", "server.config", "connector.conf", "a.yaml", "a.json", "a.properties"} {
			f.Add(name, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		object, format, err := param.Import(name, "", body)
		if err != nil {
			if !fault.Is(err, fault.ConfigInvalid) && !fault.Is(err, fault.TooLarge) {
				t.Fatalf("%s: %v", format, err)
			}
			return
		}
		if !json.Valid(object) || object[0] != '{' {
			t.Fatalf("%s became %s", format, object)
		}
		rows, err := param.Flatten(object)
		if err != nil {
			return
		}
		if _, err := param.Assemble(rows, func(row spec.Param) (string, error) { return row.Value, nil }); err != nil {
			t.Fatalf("what was imported cannot be assembled: %v", err)
		}
	})
}
