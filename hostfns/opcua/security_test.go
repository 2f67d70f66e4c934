package opcua

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/server"
	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// papersOf makes a certificate.
func papersOf(t *testing.T, bits int, until time.Time) *identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "plant"},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, URIs: []*url.URL{{Scheme: "urn", Opaque: "plant"}},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	c, err = x509.ParseCertificate(der)
	must(t, err)
	return &identity{c, key}
}

func (i *identity) keyPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(i.key)}))
}

// secured is a plant with every policy.
func secured(t *testing.T, own *identity, security ...string) *plant {
	t.Helper()
	opts := []server.Option{
		server.PrivateKey(own.key), server.Certificate(own.certificate.Raw),
		server.EnableAuthMode(ua.UserTokenTypeAnonymous), server.EnableAuthMode(ua.UserTokenTypeUserName), server.EnableAuthMode(ua.UserTokenTypeCertificate),
	}
	for _, s := range security {
		if s == "None" {
			opts = append(opts, server.EnableSecurity(s, ua.MessageSecurityModeNone))
			continue
		}
		opts = append(opts, server.EnableSecurity(s, ua.MessageSecurityModeSign), server.EnableSecurity(s, ua.MessageSecurityModeSignAndEncrypt))
	}
	return newPlant(t, opts...)
}

var tomorrow = time.Now().Add(24 * time.Hour)

func allPolicies() (names []string) {
	for _, uri := range policies() {
		names = append(names, shortPolicy(uri))
	}
	return names
}

func reads(t *testing.T, s *Session) {
	t.Helper()
	var got abi.OPCUAValues
	if err := ask(t, s, functionRead, &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{{Node: "ns=1;s=speed"}}}, &got); err != nil || len(got.Values[0].Variant) != 5 {
		t.Errorf("read %+v: %v", got, err)
	}
}

// TestChoosesTheBest: with nothing said, the strongest that is offered is used;
// what protects nothing has to be asked for.
func TestChoosesTheBest(t *testing.T) {
	t.Parallel()
	own := papersOf(t, 2048, tomorrow)
	p := newPeer(t, own, freePort(t))
	s := opened(t, testGroup(quick()), abi.OPCUAOpen{Endpoint: p.endpoint()})
	var info abi.OPCUAInfo
	must(t, ask(t, s, functionInfo, &abi.Handle{Handle: 1}, &info))
	if info.Policy != "Aes256_Sha256_RsaPss" || info.Mode != "SignAndEncrypt" || info.ServerFingerprint != fingerprint(own.certificate) {
		t.Errorf("%s %s with %s", info.Policy, info.Mode, info.ServerFingerprint)
	}
	shown, err := readCertificate(info.Certificate)
	if err != nil || fingerprint(shown) != info.Fingerprint || shown.URIs[0].String() != info.ApplicationURI {
		t.Errorf("the client's certificate: %v %s %v", err, info.Fingerprint, info.ApplicationURI)
	}
	weak := secured(t, own, "None", "Basic256")
	if _, err := tryOpen(t, testGroup(quick()), abi.OPCUAOpen{Endpoint: weak.endpoint()}); !fault.Is(err, fault.PeerTLS) {
		t.Errorf("only broken policies: %v", err)
	}
	for _, args := range []abi.OPCUAOpen{
		{Policy: "None"},
		{Mode: "None"},
		{Policy: "Basic128Rsa15"},
		{Policy: "Basic1"},
		{Policy: "None", Mode: "Sign", AllowInsecure: true},
		{Username: "a", UserCertificate: "b", UserKey: "c"},
		{UserCertificate: "b"},
		{Password: "p"},
	} {
		args.Endpoint = p.endpoint()
		if _, err := tryOpen(t, testGroup(quick()), args); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", args, err)
		}
	}
}

// TestServerCertificateIsPinned: the first certificate is kept over a restart of
// the host, and another one is refused until somebody says that it is meant.
func TestServerCertificateIsPinned(t *testing.T) {
	t.Parallel()
	first, second := papersOf(t, 2048, tomorrow), papersOf(t, 2048, tomorrow)
	p := newPeer(t, first, freePort(t))
	kept := newTrust().place("elsewhere", nil) // outlives the group, as a store does
	open := func(args abi.OPCUAOpen) (*Session, error) {
		args.Endpoint = p.endpoint()
		end, err := testGroup(quick()).Open(t.Context(), capability.Scope{Owner: "con_1", Grants: grantsFor(args.Endpoint), Sealed: kept}, args.Append(nil))
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { closeSession(t, end) })
		return end.(*Session), nil
	}
	s, err := open(abi.OPCUAOpen{})
	must(t, err)
	own := fingerprint(s.who.own().certificate)
	closeSession(t, s)
	p.stop()
	p = newPeer(t, second, p.port)
	_, err = open(abi.OPCUAOpen{})
	if !fault.Is(err, fault.PeerTLS) || !strings.Contains(fault.Of(err).Advice(), fingerprint(second.certificate)) {
		t.Fatalf("another certificate: %v", err)
	}
	s, err = open(abi.OPCUAOpen{ServerCertificate: fingerprint(second.certificate)})
	must(t, err)
	if fingerprint(s.who.own().certificate) != own {
		t.Error("the client shows another certificate than before")
	}
	if _, err := open(abi.OPCUAOpen{ServerCertificate: certificatePEM(first.certificate.Raw)}); !fault.Is(err, fault.PeerTLS) {
		t.Errorf("another than the one that is given: %v", err)
	}
}

func TestExpiredCertificateIsRefused(t *testing.T) {
	p := secured(t, papersOf(t, 2048, time.Now().Add(-time.Hour)), "Basic256Sha256")
	if _, err := tryOpen(t, testGroup(quick()), abi.OPCUAOpen{Endpoint: p.endpoint()}); !fault.Is(err, fault.PeerTLS) {
		t.Errorf("expired: %v", err)
	}
}

type secrets map[string]string

func (s secrets) Secret(_ context.Context, name string) ([]byte, error) { return []byte(s[name]), nil }

// userCertificate: with a key that the guest does not see.
func userCertificate(t *testing.T, p *peer) {
	t.Helper()
	user := papersOf(t, 2048, tomorrow)
	args := abi.OPCUAOpen{Endpoint: p.endpoint(), Policy: "Basic256Sha256", UserCertificate: certificatePEM(user.certificate.Raw), UserKey: "secret://key"}
	s, err := p.group.Open(t.Context(), capability.Scope{
		Owner: "c", Grants: grantsFor(args.Endpoint), Secrets: secrets{"key": user.keyPEM()},
	}, args.Append(nil))
	must(t, err)
	defer closeSession(t, s)
	var got abi.OPCUAValues
	must(t, ask(t, s.(*Session), functionRead, &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{{Node: "ns=2;s=fixed"}}}, &got))
	if strings.Contains(s.(*Session).who.set.key, "PRIVATE") {
		t.Error("the key of the session holds a secret")
	}
}

// TestGoesOutByEgress: no address without a grant for its network, and none that
// a server advertises.
func TestGoesOutByEgress(t *testing.T) {
	p := newPlant(t, server.EnableSecurity("None", ua.MessageSecurityModeNone), server.EnableAuthMode(ua.UserTokenTypeAnonymous),
		server.EndPoint("192.0.2.1", 4840))
	args := insecurely(p)
	only := []spec.Grant{{Group: Name, Resources: []string{p.endpoint()}}}
	_, err := testGroup(quick()).Open(t.Context(), capability.Scope{Owner: "c", Grants: only}, args.Append(nil))
	if !fault.Is(err, fault.EgressForbidden) || !strings.Contains(fault.Of(err).Hint, "`snaprail grants add CONNECTOR opcua cidr:127.0.0.1/32`") {
		t.Errorf("without a network: %v", err)
	}
	reads(t, opened(t, testGroup(quick()), args))
}

func TestPatterns(t *testing.T) {
	g := New(Config{})
	for pattern, good := range map[string]bool{
		"opc.tcp://plc1:4840": true, "opc.tcp://*:4840": true, "opc.tcp://*.plant:*": true, "cidr:10.0.0.0/8": true,
		"opc.tcp://plc1": false, "opc.tcp://PLC1:4840": false, "http://plc1:4840": false, "": false, "opc.tcp://[": false, "cidr:10.0.0.1/8": false,
		"opc.tcp://plc1:4840/UA/Server": true, "opc.tcp://plc1:4840/": false,
	} {
		if err := g.CheckPattern(pattern); (err == nil) != good {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	for _, c := range []struct {
		pattern, resource string
		want              bool
	}{
		{"opc.tcp://*:4840", "opc.tcp://plc1:4840", true},
		{"opc.tcp://*:4840", "opc.tcp://PLC1", true},
		{"opc.tcp://*:4840", "opc.tcp://plc1:4841", false},
		{"opc.tcp://*:4840", "opc.tcp://plc1:4840/x", false},
		{"opc.tcp://*:4840/*", "opc.tcp://plc1:4840/x", true},
		{"opc.tcp://*:4840", "opc.tcp://p*:4840", false},
		{"cidr:10.0.0.0/8", "cidr:10.1.0.0/16", true},
		{"cidr:10.0.0.0/8", "opc.tcp://10.1.0.1:4840", false},
	} {
		if got := g.Matches(c.pattern, c.resource); got != c.want {
			t.Errorf("%s on %s: %v", c.pattern, c.resource, got)
		}
	}
}
