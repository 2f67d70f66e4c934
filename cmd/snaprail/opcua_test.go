package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// plc is an OPC UA server of another make, in another process, which can be
// killed and started again.
type plc struct {
	t      *testing.T
	python string
	args   []string
	port   int
	cancel context.CancelFunc
	cmd    *exec.Cmd
}

func newPLC(t *testing.T) *plc {
	t.Helper()
	p := &plc{t: t, python: os.Getenv("SNAPRAIL_PYTHON")}
	if p.python == "" {
		p.python = filepath.Join("..", "..", "bin", "python", "bin", "python3")
	}
	if err := exec.Command(p.python, "-c", "import asyncua").Run(); err != nil {
		t.Skip("no Python with asyncua: make test-setup installs it")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plc"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{{Scheme: "urn", Opaque: "plc"}}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p.args = []string{filepath.Join("..", "..", "hostfns", "opcua", "testdata", "peer.py"), fmt.Sprint(p.port)}
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: der}, "k.pem": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.args = append(p.args, filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"))
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *plc) start() {
	p.t.Helper()
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	p.cmd = exec.CommandContext(ctx, p.python, p.args...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		p.t.Fatalf("the OPC UA server did not start: %v", err)
	}
}

func (p *plc) kill() {
	p.cancel()
	_ = p.cmd.Wait()
}

// TestOPCUAConnector: the connector that ships, against a server of another make:
// values come, an update and an RPC are written, a query browses, another version
// takes over, an interlock holds, and a server that was killed leaves one gap and
// is watched again.
func TestOPCUAConnector(t *testing.T) {
	p := newPLC(t)
	n := newNode(t)
	endpoint := fmt.Sprintf("opc.tcp://127.0.0.1:%d/plant", p.port)
	count := map[string]any{"name": "count", "node": "nsu=urn:plant;s=counter"}
	temp := map[string]any{"name": "temp", "node": "ns=2;s=temp", "unit": "Cel", "writable": true}
	config := func(items ...any) map[string]any {
		return map[string]any{"endpoint": endpoint, "interval": 0.05, "device": "press", "any_node": true, "items": items}
	}
	grant := map[string]any{
		"group": "opcua", "resources": []string{endpoint, "cidr:127.0.0.0/8"}, "rights": []string{"read", "write"}, "reason": "the press",
	}
	c := n.activate(json.Marshal(map[string]any{
		"name": "plant", "module": n.push("opcua"), "config": config(count, temp), "grants": []any{grant},
	}))
	counting := func(r client.Record) bool {
		return r.Kind == "telemetry" && r.Device == "press" && value(r, "count") != ""
	}
	n.history(client.StreamOptions{Connector: c.ID}, counting)

	ask := func(kind string, m client.Message) string {
		t.Helper()
		var said []string
		err := n.api.Send(t.Context(), kind, c.ID, m, func(r client.Reply) error {
			said = append(said, r.Status+" "+string(r.Data))
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		return strings.Join(said, "\n")
	}
	if got := ask("attributes", client.Message{Device: "press", Data: json.RawMessage(`{"temp":40.5,"count":1}`)}); !strings.Contains(got, `{"item":"temp","success":true}`) || !strings.Contains(got, "not_writable") {
		t.Errorf("an update: %s", got)
	}
	n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return value(r, "temp") == "40.5" && r.Units["temp"] == "Cel" })
	if got := ask("rpc", client.Message{Device: "press", Method: "read", Data: json.RawMessage(`{"item":"temp"}`)}); !strings.Contains(got, `"value":40.5`) {
		t.Errorf("a read: %s", got)
	}
	call := `{"object":"ns=2;s=plant","method":"ns=2;s=add","arguments":[{"type":8,"value":2},{"type":8,"value":3}]}`
	if got := ask("rpc", client.Message{Device: "press", Method: "call", Data: json.RawMessage(call)}); !strings.Contains(got, `"value":5`) {
		t.Errorf("a call: %s", got)
	}
	if got := ask("query", client.Message{Data: json.RawMessage(`{"node":"ns=2;s=plant"}`)}); strings.Count(got, "browse_name") != 5 {
		t.Errorf("a query: %s", got)
	}

	// Another version takes over: no value is taken for another item's, and none is
	// missing. It watches nothing before, and a lock bounds what it writes.
	grant["interlock"] = map[string]any{"tags": []any{map[string]any{"tag": "temp", "min": 0, "max": 100}}}
	patch, err := json.Marshal(map[string]any{"config": config(temp, count), "grants": []any{grant}})
	if err != nil {
		t.Fatal(err)
	}
	if c, err = n.api.PatchConnector(t.Context(), c.ID, patch, 0); err != nil {
		t.Fatal(err)
	}
	n.until(c.ID, "swapped", func(s *lifecycle.Status) bool { return s.Swaps == 1 && s.State == lifecycle.Running })
	if got := ask("attributes", client.Message{Device: "press", Data: json.RawMessage(`{"temp":50.5}`)}); !strings.Contains(got, `{"item":"temp","success":true}`) {
		t.Errorf("within the bounds: %s", got)
	}
	err = n.api.Send(t.Context(), "attributes", c.ID, client.Message{Device: "press", Data: json.RawMessage(`{"temp":200}`)}, func(client.Reply) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "more than 100") {
		t.Errorf("beyond the bounds: %v", err)
	}
	last, warm := 0, false
	n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		switch v := value(r, "temp"); v {
		case "", "1.5", "40.5":
		case "50.5":
			warm = true
		default:
			t.Errorf("temp is %s", v)
		}
		v := value(r, "count")
		if v == "" {
			return false
		}
		next, err := strconv.Atoi(v)
		if err != nil || next <= last || last > 0 && next > last+8 {
			t.Errorf("%d is counted, and then %s", last, v)
		}
		last = next
		return warm
	})

	p.kill()
	n.until(c.ID, "degraded", func(s *lifecycle.Status) bool { return s.State == lifecycle.Degraded })
	p.start()
	began := time.Now()
	n.state(c.ID, lifecycle.Running)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v until it worked again", took)
	}
	gaps := 0
	n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		if r.Kind == "gap" {
			gaps++
		}
		return gaps > 0 && counting(r)
	})
	if s := n.state(c.ID, lifecycle.Running); s.Counters.Gaps != 1 || gaps != 1 {
		t.Errorf("%d gaps, %d counted", gaps, s.Counters.Gaps)
	}
}
