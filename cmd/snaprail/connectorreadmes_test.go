package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/snaprail/snaprail/hostfns/peertest"
)

// readme is how the README of a connector is followed where its peers are not those
// that it names.
type readme struct {
	// instead are texts of the README, each followed by what stands in its place here.
	instead []string
	// until is the beginning of the first command that is not typed; "": all are.
	until string
	// file is what is imported, where it is not the first JSON of the README.
	file string
	// secrets are the values of secrets.
	secrets map[string]string
	// prints is what the last command prints; a regular expression.
	prints string
	// then is what is looked at when all commands have been typed.
	then func(t *testing.T, printed string)
}

// TestReadmesOfConnectors: what the README of each connector that ships says one has to
// type is typed, in its order, against a peer. Each command succeeds, and the last one
// prints what the README says.
func TestReadmesOfConnectors(t *testing.T) {
	n := newNode(t)
	follow := func(name string, peers func(t *testing.T) readme) {
		t.Run(name, func(t *testing.T) {
			r := peers(t)
			defer n.clear(t)
			n.follow(t, name, r)
		})
	}
	converted := func(of, prints string) func(*testing.T) readme {
		return func(*testing.T) readme {
			n.push(of)
			return readme{prints: prints}
		}
	}
	follow("mqttsource", mqttSourceReadme)
	follow("mqttsink", mqttSinkReadme)
	follow("sparkplug", sparkplugReadme)
	follow("thingsboard", thingsboardReadme)
	follow("kafkasource", kafkaSourceReadme)
	follow("kafkasink", kafkaSinkReadme)
	follow("serialline", seriallineReadme)
	follow("modbus", modbusReadme)
	follow("opcua", opcuaReadme)
	follow("mtconnect", mtconnectReadme)
	follow("httppoll", httppollReadme)
	follow("httpsink", httpsinkReadme)
	follow("webhook", webhookReadme)
	follow("s3", s3Readme)
	follow("googledrive", googledriveReadme)
	follow("slackhook", slackhookReadme)
	follow("webhookmail", webhookmailReadme)
	follow("textframe", converted("serialline", `temperature`))
	follow("json", converted("mqttsource", `temperature`))
	follow("regexp", converted("serialline", `temperature`))
	follow("binary", converted("mqttsource", `power`))
	shipped, err := filepath.Glob("../../connectors-wasm/*/README.md")
	if err != nil || len(shipped) != 21 {
		t.Errorf("%d READMEs, %v: follow the new one, too", len(shipped), err)
	}
}

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// follow types what a README says.
func (n *node) follow(t *testing.T, name string, r readme) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../connectors-wasm", name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for i := 0; i < len(r.instead); i += 2 {
		if !strings.Contains(text, r.instead[i]) {
			t.Fatalf("the README says nothing of %q", r.instead[i])
		}
	}
	text = strings.NewReplacer(r.instead...).Replace(text)
	config := r.file
	if m := jsonBlock.FindStringSubmatch(text); config == "" && m != nil {
		config = m[1]
	}
	dir, last, activated := t.TempDir(), "", false
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    snaprail ") {
			continue
		}
		if r.until != "" && strings.HasPrefix(strings.TrimSpace(line), r.until) {
			break
		}
		args := shellWords(line)
		stdin := ""
		for i, arg := range args {
			if file, at := strings.CutPrefix(arg, "@"); strings.HasSuffix(file, ".json") {
				args[i] = n.write(t, filepath.Join(dir, file), config)
				if at {
					args[i] = "@" + args[i]
				}
			}
			if arg == "DIGEST" {
				args[i] = n.push(name)
			}
		}
		if len(args) == 4 && args[1] == "secret" {
			if stdin = r.secrets[args[3]]; stdin == "" {
				stdin = "a secret that nobody asks for"
			}
		}
		activated = activated || len(args) > 2 && args[2] == "activate"
		last = n.typed(t, stdin, args[1:]...)
	}
	if last == "" {
		t.Fatal("the README has no command")
	}
	if !regexp.MustCompile(r.prints).MatchString(last) {
		t.Errorf("the last command prints\n%s\nwant %s", last, r.prints)
	}
	if !activated && r.until == "" && !strings.Contains(text, "snaprail types converter") {
		t.Error("the README activates nothing")
	}
	if r.then != nil {
		r.then(t, last)
	}
}

func (n *node) write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// typed runs a command within this process, which is as good and takes less time, and
// answers what it prints.
func (n *node) typed(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	env := map[string]string{"SNAPRAIL_SERVER": n.url, "SNAPRAIL_TOKEN": n.token}
	var out, said strings.Builder
	ended := make(chan int, 1)
	go func() {
		ended <- run(args, terminal{in: strings.NewReader(stdin), out: &out, err: &said, env: func(name string) string { return env[name] }})
	}()
	select {
	case code := <-ended:
		if code != 0 {
			t.Fatalf("snaprail %s: exit code %d\n%s%s", strings.Join(args, " "), code, out.String(), said.String())
		}
	case <-time.After(40 * time.Second):
		t.Fatalf("snaprail %s: has not ended", strings.Join(args, " "))
	}
	return out.String()
}

// clear removes what a README has made, so that no two meet.
func (n *node) clear(t *testing.T) {
	t.Helper()
	list, err := n.api.Connectors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		n.typed(t, "", "connectors", "rm", list[i].Name)
	}
}

// shellWords are the words of a line as a shell cuts it, with single quotes.
func shellWords(line string) (words []string) {
	word, in, quoted := "", false, false
	for _, c := range strings.TrimSpace(line) {
		switch {
		case c == '\'':
			quoted, in = !quoted, true
		case c == ' ' && !quoted:
			if in {
				words = append(words, word)
			}
			word, in = "", false
		default:
			word, in = word+string(c), true
		}
	}
	return append(words, word)
}

// mosquitto stands for the broker of a README.
func mosquitto(t *testing.T, named, login, network, prints string, secrets ...string) readme {
	t.Helper()
	m := peertest.StartMosquitto(t)
	m.Send("-t", "plant/pump1/readings", "-m", `{"bar":4.2,"motor":{"on":true}}`, "-r")
	r := readme{
		instead: []string{
			"mqtts://" + named, "mqtt://" + m.Login, named, m.Login, network, "127.0.0.0/8",
			login, `"allow_insecure": true, "username": "` + peertest.MosquittoUser + `"`,
		},
		secrets: map[string]string{}, prints: prints,
	}
	for _, name := range secrets {
		r.secrets[name] = peertest.MosquittoPassword
	}
	return r
}

const brokerOfReadmes = "broker.example.com:8883"

func mqttSourceReadme(t *testing.T) readme {
	t.Helper()
	return mosquitto(t, brokerOfReadmes, `"username": "snaprail"`, "10.1.0.0/16", `pump1 .*bar=4\.2.*motor\.on=true`, "mqtt")
}

// running is what the status of a connector that works begins with.
const running = `(?m)^state +running`

func mqttSinkReadme(t *testing.T) readme {
	t.Helper()
	return mosquitto(t, brokerOfReadmes, `"username": "snaprail"`, "10.1.0.0/16", running, "mqtt")
}

func sparkplugReadme(t *testing.T) readme { // nobody plays the primary host
	t.Helper()
	return mosquitto(t, brokerOfReadmes, `"username": "hall"`, "192.168.1.0/24", `(?m)^state +(running|degraded)`, "broker")
}

func thingsboardReadme(t *testing.T) readme {
	t.Helper()
	m := peertest.StartMosquitto(t)
	return readme{
		instead: []string{
			"mqtts://thingsboard.example.com:8883", "mqtt://" + m.Address, "thingsboard.example.com:8883", m.Address, "192.168.1.0/24", "127.0.0.0/8",
			`"access_token"`, `"allow_insecure": true, "access_token"`,
		},
		prints: running,
	}
}

// kafkaCluster stands for the cluster of a README: it lets nobody in without TLS and
// a login. It has a message.
func kafkaCluster(t *testing.T, prints string) readme {
	t.Helper()
	web := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	const password = "a-password"
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "plant.readings"), kfake.EnableSASL(),
		kfake.Superuser("SCRAM-SHA-512", "snaprail", password), kfake.TLS(&tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	address, roots := k.ListenAddrs()[0], x509.NewCertPool()
	roots.AddCert(web.Certificate())
	c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DialTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}),
		kgo.SASL(scram.Auth{User: "snaprail", Pass: password}.AsSha512Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "plant.readings", Key: []byte("pump1"), Value: []byte(`{"bar":4.2}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ca, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
	if err != nil {
		t.Fatal(err)
	}
	return readme{
		instead: []string{
			`"kafka1.example.com:9093", "kafka2.example.com:9093"`, `"` + address + `"`, "*.example.com:9093", address, "10.1.0.0/16", "127.0.0.0/8",
			`"tls": true`, `"tls": true, "ca": ` + string(ca),
		},
		secrets: map[string]string{"kafka": password}, prints: prints,
	}
}

func kafkaSourceReadme(t *testing.T) readme {
	t.Helper()
	return kafkaCluster(t, `pump1 .*4\.2`)
}

func kafkaSinkReadme(t *testing.T) readme {
	t.Helper()
	r := kafkaCluster(t, running)
	r.instead = append(r.instead, `"replication": 3`, `"replication": 1`)
	return r
}

func seriallineReadme(t *testing.T) readme {
	t.Helper()
	roof, cellar := playing(t, 20*time.Millisecond), playing(t, 20*time.Millisecond)
	return readme{
		instead: []string{
			`{"name": "roof", "type": "weather"}`, `{"name": "roof", "type": "weather", "port": "` + roof.Port + `"}`,
			"/dev/ttyUSB0", roof.Port, "/dev/ttyUSB1", cellar.Port,
		},
		prints: `(roof|cellar) `,
	}
}

func modbusReadme(t *testing.T) readme {
	t.Helper()
	line, far := nullModem(t)
	simulator, address := filepath.Join("..", "..", "connectors-wasm", "modbus", "testdata", "simulator.py"), freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	python(t, "pymodbus, serial", simulator, "rtu", far)
	python(t, "pymodbus, serial", simulator, "tcp", port)
	return readme{
		instead: []string{"/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0", line, "plc1:502", address, "192.168.1.0/24", "127.0.0.0/8"},
		prints:  `(cellar|attic) .*voltage=230\.[12] V +energy=100000 W\.h`,
	}
}

func opcuaReadme(t *testing.T) readme {
	t.Helper()
	p := newPLC(t)
	address := fmt.Sprintf("opc.tcp://127.0.0.1:%d/plant", p.port)
	return readme{
		instead: []string{
			"opc.tcp://plc1:4840", address, "192.168.1.0/24", "127.0.0.0/8",
			`"operator"`, `"op", "policy": "Basic256Sha256"`, // this server reads no password that came with its best policy
			"s=Boiler.Temperature", "s=temp", "s=Boiler.Setpoint", "s=fixed", "s=Pump.Running", "s=counter",
		},
		secrets: map[string]string{"plc": "geheim"}, prints: `temperature=1\.5 Cel|running=`,
	}
}

func mtconnectReadme(t *testing.T) readme {
	t.Helper()
	web := httptest.NewServer(peertest.NewMTConnect(50))
	t.Cleanup(web.Close)
	return readme{instead: []string{"http://agent:5000", web.URL, "192.168.1.0/24", "127.0.0.0/8"}, prints: `VMC-3Axis`}
}

// answering is a server that answers all requests alike, and the README whose server
// it stands for.
func answering(t *testing.T, named, granted, body, prints string) readme {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	t.Cleanup(web.Close)
	return readme{
		instead: []string{"'" + granted + "'", "'" + strings.Replace(granted, named, web.URL, 1) + "' cidr:127.0.0.0/8", named, web.URL},
		prints:  prints,
	}
}

func httppollReadme(t *testing.T) readme {
	t.Helper()
	body := `{"items":[{"id":7,"at":1700000000123,"pressure":4200,"pump":{"id":"pump1","state":"on"}}],"until":"u1"}`
	return answering(t, "https://api.example.com", "https://api.example.com/v1/*", body, `pump1 .*pressure=4\.2 bar +state=on`)
}

func httpsinkReadme(t *testing.T) readme {
	t.Helper()
	return answering(t, "https://api.example.com", "https://api.example.com/v1/ingest", "", running)
}

func slackhookReadme(t *testing.T) readme {
	t.Helper()
	return answering(t, "https://hooks.slack.com", "https://hooks.slack.com/services/*", "ok", `"sent": ?true`)
}

func webhookmailReadme(t *testing.T) readme {
	t.Helper()
	return answering(t, "https://mail.plant.example", "https://mail.plant.example/send", `{"id":"m-1"}`, `(?s)"id": ?"m-1".*"sent": ?true|"sent": ?true.*"id": ?"m-1"`)
}

func s3Readme(t *testing.T) readme {
	t.Helper()
	s3 := peertest.NewS3()
	web := httptest.NewServer(s3)
	t.Cleanup(web.Close)
	return readme{
		instead: []string{
			"'https://storage.plant.example:9000/*'", "'" + web.URL + "/*' cidr:127.0.0.0/8", "https://storage.plant.example:9000", web.URL,
			"AKIAIOSFODNN7EXAMPLE", s3.AccessKey, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", s3.SecretKey,
		},
		prints: `"path": ?"reports/monday\.txt"`,
		then: func(t *testing.T, _ string) {
			t.Helper()
			if got := s3.Objects()["reports/monday.txt"]; got != "hello" {
				t.Errorf("the bucket has %q", got)
			}
		},
	}
}

// Somebody has to agree in a browser: TestGoogleDriveThroughTheHost does.
func googledriveReadme(*testing.T) readme {
	return readme{
		file:  `{"installed": {"client_id": "1234.apps.googleusercontent.com", "client_secret": "GOCSPX-XXXXXXXX"}}`,
		until: "snaprail connect ", prints: "https://www.googleapis.com",
	}
}

// githubHook is an address that a connector takes requests at.
var githubHook = regexp.MustCompile(`https?://\S+/hooks/\S+/github`)

func webhookReadme(*testing.T) readme {
	const secret = "a-secret"
	r := readme{secrets: map[string]string{"github": secret}, prints: githubHook.String()}
	r.then = func(t *testing.T, said string) {
		t.Helper()
		body := `{"action":"opened","repository":{"full_name":"octo/hello"}}`
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, githubHook.FindString(said), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("X-GitHub-Event", "issues")
		q.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		reply, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = reply.Body.Close() }()
		if reply.StatusCode/100 != 2 {
			t.Errorf("a delivery of GitHub is answered %s", reply.Status)
		}
	}
	return r
}
