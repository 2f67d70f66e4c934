package opcua

import (
	"bufio"
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
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maker starts servers of others: asyncua, or node-opcua.
type maker struct {
	name    string
	command func(t *testing.T) *exec.Cmd
	folder  bool // wants one of its own
	// readOnly is what it answers a write of the wrong type to what cannot be written.
	readOnly string
	// passwords are the policies under which it can read a password.
	passwords []string
}

func asyncua() maker {
	return maker{name: "asyncua", readOnly: "80740000", passwords: []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep"}, command: func(t *testing.T) *exec.Cmd {
		t.Helper()
		at := os.Getenv("SNAPRAIL_PYTHON")
		if at == "" {
			at = "../../bin/python/bin/python3"
		}
		if err := exec.Command(at, "-c", "import asyncua").Run(); err != nil {
			t.Skip("no Python with asyncua: make test-setup installs it")
		}
		return exec.Command(at, "testdata/peer.py")
	}}
}

// nodeModules has node-opcua.
const nodeModules = "../../bin/opcua/node_modules"

func nodeOPCUA() maker {
	return maker{name: "node-opcua", folder: true, readOnly: "803b0000", passwords: []string{"None", "Basic256Sha256", "Aes256_Sha256_RsaPss"}, command: func(t *testing.T) *exec.Cmd {
		t.Helper()
		if _, err := os.Stat(nodeModules + "/node-opcua"); err != nil {
			t.Skip("no node-opcua: make test-setup installs it")
		}
		modules, err := filepath.Abs(nodeModules)
		must(t, err)
		// Basic128Rsa15 and its kin need a padding that Node.js has switched off.
		cmd := exec.Command("node", "--security-revert=CVE-2023-46809", "testdata/server.js")
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
		return cmd
	}}
}

// unhurried is a pace for processes that start slowly and share the machine with
// much else.
func unhurried() pace {
	return pace{probe: 200 * time.Millisecond, answer: 20 * time.Second, alive: 10 * time.Second, retry: 100 * time.Millisecond, again: 200 * time.Millisecond}
}

// peer is a server of another make, in another process.
type peer struct {
	maker  maker
	group  *Group
	own    *identity
	port   int
	offers string
	stop   func() // as kill -9 does
}

func newPeer(t *testing.T, own *identity, port int) *peer {
	t.Helper()
	return asyncua().start(t, own, port)
}

func (m maker) start(t *testing.T, own *identity, port int) *peer {
	t.Helper()
	p := &peer{maker: m, group: testGroup(unhurried()), own: own, port: port}
	cmd := m.command(t)
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	pkcs8, err := x509.MarshalPKCS8PrivateKey(p.own.key)
	must(t, err)
	must(t, os.WriteFile(certificate, []byte(certificatePEM(p.own.certificate.Raw)), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	cmd.Args = append(cmd.Args, fmt.Sprint(p.port), certificate, key)
	if m.folder {
		cmd.Args = append(cmd.Args, filepath.Join(dir, "own"))
	}
	out, err := cmd.StdoutPipe()
	must(t, err)
	var said strings.Builder
	cmd.Stderr = &said
	must(t, cmd.Start())
	p.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the peer said %.4000s", said.String())
		}
	})
	for in := bufio.NewReader(out); !strings.HasPrefix(p.offers, "LISTENING"); {
		if p.offers, err = in.ReadString('\n'); err != nil {
			p.stop()
			t.Fatalf("the peer did not start: %v: %s", err, said.String())
		}
	}
	return p
}

func (p *peer) endpoint() string { return fmt.Sprintf("opc.tcp://127.0.0.1:%d/plant", p.port) }

// TestPeer does everything with servers of other makes. A process takes seconds to
// start, so one of each make serves all that leaves it as it was.
func TestPeer(t *testing.T) {
	t.Parallel()
	for _, m := range []maker{asyncua(), nodeOPCUA()} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			p := m.start(t, papersOf(t, 2048, tomorrow), freePort(t))
			for name, test := range map[string]func(*testing.T, *peer){
				"everything": doesEverything, "every policy": everyPolicy, "user certificate": userCertificate, "rotated secret": rotatedSecret,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, p)
				})
			}
		})
	}
	t.Run("longer keys", func(t *testing.T) {
		t.Parallel()
		everyPolicy(t, nodeOPCUA().start(t, papersOf(t, 3072, tomorrow), freePort(t)))
	})
}

// everyPolicy: a value is read and watched under every policy that the peer has, in
// every mode, with a key that has the long padding, too.
func everyPolicy(t *testing.T, p *peer) {
	t.Helper()
	g, bits := p.group, p.own.key.N.BitLen()
	tried := 0
	for _, policy := range allPolicies() {
		for _, mode := range []string{"None", "Sign", "SignAndEncrypt"} {
			if (policy == "None") != (mode == "None") || bits > 2048 && (policy == "Basic128Rsa15" || policy == "Basic256") ||
				policy != "None" && !strings.Contains(p.offers, strings.ReplaceAll(policy, "_", "")+"_"+mode) {
				continue
			}
			tried++
			s, err := tryOpen(t, g, abi.OPCUAOpen{Endpoint: p.endpoint(), Policy: policy, Mode: mode, AllowInsecure: true, OpenTimeoutMS: 20_000})
			if err != nil {
				t.Errorf("%d bits, %s %s: %v: %s", bits, policy, mode, err, fault.Of(err).Advice())
				continue
			}
			subscribed(t, s, "a", "ns=2;s=counter")
			next(t, s, "a value", has("a.1=07"))
			for range 3 {
				var up *link
				eventually(t, "connected", func() bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					up = s.link
					return up != nil
				})
				if _, err := up.ch.Renew(t.Context()); err != nil {
					t.Errorf("%d bits, %s %s: %v", bits, policy, mode, err)
				}
				// Whoever answers this has taken all that came under the token before.
				var values abi.OPCUAValues
				must(t, ask(t, s, functionRead, &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{{Node: "ns=2;s=temp"}}}, &values))
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

// asOperator opens with name and password.
func (p *peer) asOperator(t *testing.T, policy, password string) (*Session, error) {
	t.Helper()
	args := abi.OPCUAOpen{
		Endpoint: p.endpoint(), Policy: policy, OpenTimeoutMS: 20_000, Username: "op", Password: "secret://pass",
		AllowInsecure: policy == "None",
	}
	end, err := p.group.Open(t.Context(), capability.Scope{
		Owner: "c", Grants: grantsFor(args.Endpoint), Secrets: secrets{"pass": password},
	}, args.Append(nil))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { closeSession(t, end) })
	return end.(*Session), nil
}

// TestKilledPeer: a server that is killed without a word is noticed, and watched
// again when it is back.
func TestKilledPeer(t *testing.T) {
	t.Parallel()
	own := papersOf(t, 2048, tomorrow)
	p := nodeOPCUA().start(t, own, freePort(t))
	s, err := p.asOperator(t, "Aes256_Sha256_RsaPss", "geheim")
	must(t, err)
	subscribed(t, s, "a", "ns=2;s=counter")
	next(t, s, "a value", has("a.1=07"))
	p.stop()
	next(t, s, "down", is("down"))
	p.maker.start(t, own, p.port)
	began := time.Now()
	seen := next(t, s, "a value", has("a.1=07"))
	if took := time.Since(began); took > patience || seen[0] != "up" {
		t.Errorf("after %v: %q", took, seen)
	}
}

func doesEverything(t *testing.T, p *peer) {
	t.Helper()
	m := p.maker
	for _, policy := range m.passwords { // each hides it in its own way
		if s, err := p.asOperator(t, policy, "geheim"); err != nil {
			t.Errorf("%s: %v", policy, err)
		} else {
			closeSession(t, s)
		}
		if _, err := p.asOperator(t, policy, "falsch"); !fault.Is(err, fault.ConfigInvalid) {
			t.Errorf("%s, a wrong password: %v", policy, err)
		}
	}
	s, err := p.asOperator(t, "Basic256Sha256", "geheim\n")
	must(t, err)
	var info abi.OPCUAInfo
	must(t, ask(t, s, functionInfo, &abi.Handle{Handle: 1}, &info))
	if info.Mode != "SignAndEncrypt" || info.Policy == "None" {
		t.Errorf("%s %s", info.Policy, info.Mode)
	}

	var statuses abi.OPCUAStatuses
	half := &abi.OPCUAValue{Variant: append([]byte{11}, binary.LittleEndian.AppendUint64(nil, 0x3fe0000000000000)...)}
	must(t, ask(t, s, functionWrite, &abi.OPCUAWrite{Handle: 1, Values: []abi.OPCUAWriteValue{
		{Node: "ns=2;s=temp", Value: half}, {Node: "ns=2;s=fixed", Value: half}, {Node: "ns=2;s=none", Value: half},
	}}, &statuses))
	if got := fmt.Sprintf("%x", statuses.Statuses); got != "[{0} {"+m.readOnly+"} {80340000}]" {
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
