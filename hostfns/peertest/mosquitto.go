package peertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Mosquitto is an Eclipse Mosquitto, in a process of its own. What it keeps of
// sessions and retained messages outlives Stop, until the test ends.
type Mosquitto struct {
	// Address is where there is no login, and Login where MosquittoUser has one.
	Address string
	Login   string
	// TLS wants a client's certificate: Certificate with Key, which CA has signed as
	// it has signed the broker's for localhost. All are in PEM.
	TLS                  string
	CA, Certificate, Key []byte

	tb   testing.TB
	dir  string
	cmd  *exec.Cmd
	tie  io.Closer // its end ends the broker
	exit chan struct{}
}

// Who may log in to Mosquitto.
const (
	MosquittoUser     = "user"
	MosquittoPassword = "a-password-of-mosquitto"
)

// StartMosquitto starts a broker, which ends with the test. Where there is none the
// test is skipped.
func StartMosquitto(tb testing.TB) *Mosquitto {
	tb.Helper()
	m := &Mosquitto{tb: tb}
	if _, err := m.program(); err != nil {
		tb.Skip("no mosquitto: make test-setup installs it")
	}
	m.dir = tb.TempDir()
	ports := freePorts(tb, 3)
	m.Address, m.Login, m.TLS = ports[0], ports[1], ports[2]
	m.certify()
	m.configure()
	m.Start()
	tb.Cleanup(func() {
		if m.cmd != nil {
			m.Kill()
		}
	})
	return m
}

// program is found where daemons are, too.
func (*Mosquitto) program() (string, error) {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/mosquitto")
}

func (m *Mosquitto) file(name string, content []byte) string {
	m.tb.Helper()
	path := filepath.Join(m.dir, name)
	if content != nil {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			m.tb.Fatal(err)
		}
	}
	return path
}

func (m *Mosquitto) configure() {
	m.tb.Helper()
	port := func(address string) string {
		_, port, _ := net.SplitHostPort(address)
		return port
	}
	passwords := m.file("passwords", []byte(MosquittoUser+":"+MosquittoPassword+"\n"))
	if out, err := exec.CommandContext(m.tb.Context(), "mosquitto_passwd", "-U", passwords).CombinedOutput(); err != nil {
		m.tb.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
	m.file("mosquitto.conf", []byte(strings.NewReplacer("DIR", m.dir, "OPEN", port(m.Address), "LOGIN", port(m.Login), "SECURE", port(m.TLS)).Replace(
		`per_listener_settings true
persistence true
persistence_location DIR/
max_queued_messages 20000
sys_interval 1
user root

listener OPEN 127.0.0.1
allow_anonymous true

listener LOGIN 127.0.0.1
password_file DIR/passwords

listener SECURE 127.0.0.1
allow_anonymous true
cafile DIR/ca.pem
certfile DIR/broker.pem
keyfile DIR/broker.key
require_certificate true
`)))
}

// Start starts it, after Stop or Kill.
func (m *Mosquitto) Start() {
	m.tb.Helper()
	program, err := m.program()
	if err != nil {
		m.tb.Fatal(err)
	}
	// The shell waits for the end of its input, which is the test's end at the
	// latest, and ends the broker then.
	script := `"$@" & broker=$!; { cat >/dev/null; kill -0 $$ && kill -9 $broker; } <&3 >/dev/null 2>&1 & trap "kill $broker" TERM; wait $broker; wait $broker`
	m.cmd = exec.CommandContext(context.WithoutCancel(m.tb.Context()), "sh", "-c", "exec 3<&0; "+script, "mosquitto", program, "-c", filepath.Join(m.dir, "mosquitto.conf"))
	said := new(bytes.Buffer)
	m.cmd.Stdout, m.cmd.Stderr = said, said
	if m.tie, err = m.cmd.StdinPipe(); err != nil {
		m.tb.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		m.tb.Fatal(err)
	}
	m.exit = make(chan struct{})
	go func(cmd *exec.Cmd, exit chan struct{}) {
		defer close(exit)
		_ = cmd.Wait() // it ends as it is told to
	}(m.cmd, m.exit)
	var dialer net.Dialer
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); ; {
		conn, err := dialer.DialContext(m.tb.Context(), "tcp", m.Address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-m.exit:
			m.tb.Fatalf("mosquitto ended: %s", said)
		case <-end:
			m.tb.Fatalf("mosquitto does not start: %v", err)
		}
	}
}

// Stop ends it with a word, so that it keeps what it has.
func (m *Mosquitto) Stop() {
	m.tb.Helper()
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.tb.Error(err)
	}
	m.gone()
}

// Kill ends it without a word.
func (m *Mosquitto) Kill() {
	m.tb.Helper()
	_ = m.tie.Close() // the shell kills it
	m.gone()
}

func (m *Mosquitto) gone() {
	m.tb.Helper()
	select {
	case <-m.exit:
	case <-time.After(10 * time.Second):
		m.tb.Error("mosquitto does not end")
	}
	_ = m.tie.Close()
	m.cmd = nil
}

// Send publishes with a client of another make. args are those of mosquitto_pub,
// beside the broker.
func (m *Mosquitto) Send(args ...string) {
	m.tb.Helper()
	host, port, _ := net.SplitHostPort(m.Address)
	cmd := exec.CommandContext(m.tb.Context(), "mosquitto_pub", append([]string{"-h", host, "-p", port}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.tb.Fatalf("mosquitto_pub %v: %v\n%s", args, err, out)
	}
}

// Keep has the broker keep what comes for a filter, for a client of that name.
func (m *Mosquitto) Keep(id, filter string) {
	m.tb.Helper()
	_, port, _ := net.SplitHostPort(m.Address)
	cmd := exec.CommandContext(m.tb.Context(), "mosquitto_sub", "-p", port, "-c", "-i", id, "-q", "1", "-t", filter, "-E")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.tb.Fatalf("mosquitto_sub: %v\n%s", err, out)
	}
}

// Receive waits with a client of another make for n messages, as topic payload.
// ready is called when it has subscribed.
func (m *Mosquitto) Receive(n int, ready func(), args ...string) (all []string) {
	m.tb.Helper()
	m.ReceiveUntil(func(line string) bool {
		all = append(all, line)
		return len(all) >= n
	}, ready, args...)
	return all
}

// ReceiveUntil waits until there were enough.
func (m *Mosquitto) ReceiveUntil(enough func(line string) bool, ready func(), args ...string) {
	m.tb.Helper()
	host, port, _ := net.SplitHostPort(m.Address)
	ctx, cancel := context.WithTimeout(m.tb.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "stdbuf", append([]string{"-oL", "mosquitto_sub", "-h", host, "-p", port, "-v", "-d", "-F", "%t %p"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.tb.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was ended
	}()
	n := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "Subscribed"):
			if ready != nil {
				ready()
			}
		case strings.HasPrefix(line, "Client "):
		default:
			if n++; enough(line) {
				return
			}
		}
	}
	m.tb.Fatalf("mosquitto_sub %v: %d messages came", args, n)
}

// certify makes an authority, and certificates of the broker and of a client.
func (m *Mosquitto) certify() {
	m.tb.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, certificate, _ := m.sign(authority, authority, nil)
	m.CA = certificate
	m.file("ca.pem", m.CA)
	leaf := func(n int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
			DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
	}
	_, broker, brokerKey := m.sign(leaf(2, "localhost"), authority, key)
	m.file("broker.pem", broker)
	m.file("broker.key", brokerKey)
	_, m.Certificate, m.Key = m.sign(leaf(3, "client"), authority, key)
}

func (m *Mosquitto) sign(of, by *x509.Certificate, with *ecdsa.PrivateKey) (key *ecdsa.PrivateKey, certificate, keyPEM []byte) {
	m.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.tb.Fatal(err)
	}
	if with == nil {
		with = key
	}
	der, err := x509.CreateCertificate(rand.Reader, of, by, &key.PublicKey, with)
	if err != nil {
		m.tb.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		m.tb.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}
