package opcua

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// python has asyncua; `make test-setup` installs it.
const python = "../../bin/python/bin/python3"

// peer is a server of another make, in another process.
type peer struct {
	own    *identity
	port   int
	offers string
	stop   func()
}

func newPeer(t *testing.T, own *identity, port int) *peer {
	t.Helper()
	at := os.Getenv("SNAPRAIL_PYTHON")
	if at == "" {
		at = python
	}
	if err := exec.Command(at, "-c", "import asyncua").Run(); err != nil {
		t.Skip("no Python with asyncua: make test-setup installs it")
	}
	p := &peer{own: own, port: port}
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	pkcs8, err := x509.MarshalPKCS8PrivateKey(p.own.key)
	must(t, err)
	must(t, os.WriteFile(certificate, []byte(certificatePEM(p.own.certificate.Raw)), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, at, "testdata/peer.py", fmt.Sprint(p.port), certificate, key)
	out, err := cmd.StdoutPipe()
	must(t, err)
	var said strings.Builder
	cmd.Stderr = &said
	must(t, cmd.Start())
	p.stop = sync.OnceFunc(func() {
		cancel()
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the peer said %.4000s", said.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cancel()
		_ = cmd.Wait()
		t.Fatalf("the peer did not start: %v: %s", err, said.String())
	}
	p.offers = line
	return p
}

func (p *peer) endpoint() string { return fmt.Sprintf("opc.tcp://127.0.0.1:%d/plant", p.port) }

// TestEveryPolicyOfAPeer: a value is read and watched under every policy that the
// peer has, in every mode, with a key that has the long padding, too.
func TestEveryPolicyOfAPeer(t *testing.T) {
	for _, bits := range []int{2048, 3072} {
		p := newPeer(t, papersOf(t, bits, tomorrow), freePort(t))
		g := testGroup(quick())
		tried := 0
		for _, policy := range allPolicies() {
			for _, mode := range []string{"None", "Sign", "SignAndEncrypt"} {
				if (policy == "None") != (mode == "None") || bits > 2048 && policy == "Basic128Rsa15" || bits > 2048 && policy == "Basic256" ||
					policy != "None" && !strings.Contains(p.offers, strings.ReplaceAll(policy, "_", "")+"_"+mode) {
					continue
				}
				tried++
				s, err := tryOpen(t, g, abi.OPCUAOpen{Endpoint: p.endpoint(), Policy: policy, Mode: mode, AllowInsecure: true, OpenTimeoutMS: 3000})
				if err != nil {
					t.Errorf("%d bits, %s %s: %v: %s", bits, policy, mode, err, fault.Of(err).Advice())
					continue
				}
				subscribed(t, s, "a", "ns=2;s=counter")
				next(t, s, "a value", has("a.1=07"))
				for range 3 {
					if _, err := s.link.ch.Renew(t.Context()); err != nil {
						t.Errorf("%d bits, %s %s: %v", bits, policy, mode, err)
					}
					next(t, s, "a value under a new token", has("a.1=07"))
				}
				closeSession(t, s)
			}
		}
		t.Logf("%d bits: %d policies and modes of %s", bits, tried, p.offers)
		if tried < 5 {
			t.Errorf("%d ways tried", tried)
		}
	}
}

// TestPeer does everything once, against a server of another make.
func TestPeer(t *testing.T) {
	p := newPeer(t, papersOf(t, 2048, tomorrow), freePort(t))
	args := abi.OPCUAOpen{Endpoint: p.endpoint(), Policy: "Basic256Sha256", OpenTimeoutMS: 3000, Username: "op", Password: "secret://pass"}
	open := func(password string) (capability.Session, error) {
		return testGroup(quick()).Open(t.Context(), capability.Scope{
			Owner: "c", Grants: grantsFor(args.Endpoint), Secrets: secrets{"pass": password},
		}, args.Append(nil))
	}
	if _, err := open("falsch"); !fault.Is(err, fault.ConfigInvalid) {
		t.Errorf("a wrong password: %v", err)
	}
	end, err := open("geheim\n")
	must(t, err)
	s := end.(*Session)
	t.Cleanup(func() { closeSession(t, s) })
	var info abi.OPCUAInfo
	must(t, ask(t, s, functionInfo, &abi.Handle{Handle: 1}, &info))
	if info.Mode != "SignAndEncrypt" || info.Policy == "None" {
		t.Errorf("%s %s", info.Policy, info.Mode)
	}

	var statuses abi.OPCUAStatuses
	half := &abi.OPCUAValue{Variant: append([]byte{11}, binary.LittleEndian.AppendUint64(nil, 0x3fe0000000000000)...)}
	must(t, ask(t, s, functionWrite, &abi.OPCUAWrite{Handle: 1, Values: []abi.OPCUAWriteValue{
		{Node: "nsu=urn:plant;s=temp", Value: half}, {Node: "ns=2;s=fixed", Value: half}, {Node: "ns=2;s=none", Value: half},
	}}, &statuses))
	if got := fmt.Sprintf("%x", statuses.Statuses); got != "[{0} {80740000} {80340000}]" {
		t.Errorf("written: %s", got)
	}
	var values abi.OPCUAValues
	must(t, ask(t, s, functionRead, &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{{Node: "ns=2;s=temp"}, {Node: "ns=2;s=array"}, {Node: "i=2256"}}}, &values))
	if string(values.Values[0].Variant) != string(half.Variant) || values.Values[1].Variant[0] != 0x80|11 || values.Values[2].Variant[0] != 22 {
		t.Errorf("read %+v", values.Values)
	}

	var result abi.OPCUACallResult
	number := func(n byte) abi.OPCUAVariant { return abi.OPCUAVariant{Variant: []byte{8, n, 0, 0, 0, 0, 0, 0, 0}} }
	must(t, ask(t, s, functionCall, &abi.OPCUACall{Handle: 1, Object: "ns=2;s=plant", Method: "ns=2;s=add", Arguments: []abi.OPCUAVariant{number(2), number(3)}}, &result))
	if result.Status != 0 || len(result.Outputs) != 1 || string(result.Outputs[0].Variant) != string(number(5).Variant) {
		t.Errorf("called: %+v", result)
	}

	var page abi.OPCUABrowsePage
	must(t, ask(t, s, functionBrowse, &abi.OPCUABrowse{Handle: 1, Node: "ns=2;s=plant"}, &page))
	if len(page.References) != 5 || page.References[0].Node != "ns=2;s=temp" || page.References[0].DisplayName != "temp" {
		t.Errorf("browsed %+v", page)
	}

	// A deadband of 10 lets 0.5 → 5 pass unseen, and shows 50.
	must(t, ask(t, s, functionSubscribe, &abi.OPCUASubscribe{Handle: 1, Name: "d", IntervalMS: 50, Items: []abi.OPCUAItem{
		{ID: 1, Node: "ns=2;s=temp", Deadband: 1, DeadbandValue: 10, SamplingMS: new(float64)}, {ID: 2, Node: "ns=2;s=none"},
	}}, &statuses))
	if statuses.Statuses[0].Code != 0 || statuses.Statuses[1].Code&bad == 0 {
		t.Errorf("watched: %x", statuses.Statuses)
	}
	next(t, s, "the first value", has("d.1="))
	subscribed(t, s, "e", "ns=2;s=temp")
	next(t, s, "the first value", has("e.1="))
	for i, bits := range []uint64{0x4014000000000000, 0x4049000000000000} {
		if i > 0 { // what is watched without a deadband shows that the change before was published
			next(t, s, "5", has("e.1=0b0000000000001440"))
		}
		v := &abi.OPCUAValue{Variant: append([]byte{11}, binary.LittleEndian.AppendUint64(nil, bits)...)}
		must(t, ask(t, s, functionWrite, &abi.OPCUAWrite{Handle: 1, Values: []abi.OPCUAWriteValue{{Node: "ns=2;s=temp", Value: v}}}, &statuses))
	}
	for _, seen := range next(t, s, "50", has("d.1=0b0000000000004940")) {
		if strings.Contains(seen, "d.1=0b0000000000001440") {
			t.Errorf("the deadband let through %q", seen)
		}
	}
}
