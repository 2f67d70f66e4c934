package peertest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Nginx is a web server of another make, in a process of its own.
type Nginx struct {
	// HTTP and HTTPS are its two addresses, as http://127.0.0.1:port and
	// https://localhost:port; CA is the authority of its certificate, in PEM.
	HTTP, HTTPS string
	CA          []byte

	tb   testing.TB
	dir  string
	cmd  *exec.Cmd
	tie  io.Closer // its end ends the server
	exit chan struct{}
	said bytes.Buffer
}

// StartNginx starts a server, which ends with the test. server is what stands in its
// server block: locations. Where there is no nginx the test is skipped.
func StartNginx(tb testing.TB, server string) *Nginx {
	tb.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			tb.Skip("no nginx: make test-setup installs it")
		}
	}
	n := &Nginx{tb: tb, dir: tb.TempDir(), exit: make(chan struct{})}
	ports := freePorts(tb, 2)
	_, open, _ := net.SplitHostPort(ports[0])
	_, secure, _ := net.SplitHostPort(ports[1])
	n.HTTP, n.HTTPS = "http://127.0.0.1:"+open, "https://localhost:"+secure
	n.certify()
	n.write("nginx.conf", []byte(strings.NewReplacer("DIR", n.dir, "OPEN", open, "SECURE", secure, "SERVER", server).Replace(`
daemon off;
master_process off;
pid DIR/pid;
error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  server {
    listen 127.0.0.1:OPEN;
    listen 127.0.0.1:SECURE ssl http2;
    ssl_certificate DIR/server.pem;
    ssl_certificate_key DIR/server.key;
    SERVER
  }
}
`)))
	n.start(program)
	tb.Cleanup(n.stop)
	return n
}

func (n *Nginx) write(name string, content []byte) {
	n.tb.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), content, 0o600); err != nil {
		n.tb.Fatal(err)
	}
}

func (n *Nginx) start(program string) {
	n.tb.Helper()
	// The shell waits for the end of its input, which is the test's end at the
	// latest, and ends the server then.
	script := `exec 3<&0; "$@" & server=$!; { cat >/dev/null; kill -9 $server; } <&3 2>/dev/null & wait $server`
	n.cmd = exec.CommandContext(context.WithoutCancel(n.tb.Context()), "sh", "-c", script, "nginx", program, "-p", n.dir, "-e", "stderr", "-c", filepath.Join(n.dir, "nginx.conf"))
	n.cmd.Stdout, n.cmd.Stderr = &n.said, &n.said
	var err error
	if n.tie, err = n.cmd.StdinPipe(); err != nil {
		n.tb.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.tb.Fatal(err)
	}
	go func() {
		defer close(n.exit)
		_ = n.cmd.Wait() // it ends as it is told to
	}()
	var dialer net.Dialer
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); ; {
		conn, err := dialer.DialContext(n.tb.Context(), "tcp", strings.TrimPrefix(n.HTTP, "http://"))
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-n.exit:
			n.tb.Fatalf("nginx ended: %s", n.said.String())
		case <-end:
			n.tb.Fatalf("nginx does not start: %v", err)
		}
	}
}

func (n *Nginx) stop() {
	n.tb.Helper()
	_ = n.tie.Close() // the shell kills it
	select {
	case <-n.exit:
	case <-time.After(10 * time.Second):
		n.tb.Error("nginx does not end")
	}
}

// certify makes an authority, and a certificate for localhost.
func (n *Nginx) certify() {
	n.tb.Helper()
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: from, NotAfter: until,
		DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	byKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.tb.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.tb.Fatal(err)
	}
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, &byKey.PublicKey, byKey)
	if err != nil {
		n.tb.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, byKey)
	if err != nil {
		n.tb.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		n.tb.Fatal(err)
	}
	n.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca})
	n.write("server.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	n.write("server.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}
