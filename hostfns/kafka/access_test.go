package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

type secrets map[string]string

func (s secrets) Secret(_ context.Context, name string) ([]byte, error) {
	value, ok := s[name]
	if !ok {
		return nil, fault.New(fault.SecretMissing, "no secret %s", name)
	}
	return []byte(value), nil
}

// try opens a session, makes one record go through it, and closes it.
func (r *rig) try(args *abi.KafkaOpen, scope capability.Scope) error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	end, err := group().Open(ctx, scope, args.Append(nil))
	if err != nil {
		return err
	}
	defer closeSession(r.t, end)
	_, err = produce(ctx, end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("k", "v")}})
	return err
}

func TestLogin(t *testing.T) {
	const password = "a-long-password"
	for _, mechanism := range []string{plainText, scramSHA256, scramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			r := cluster(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "rail", password))
			args := func(name string) *abi.KafkaOpen {
				return r.args(func(a *abi.KafkaOpen) {
					a.Mechanism, a.Username, a.Password, a.AllowInsecure, a.OpenTimeoutMS = mechanism, "rail", abi.SecretPrefix+name, true, 1500
				})
			}
			scope := capability.Scope{Grants: r.grants(), Secrets: secrets{"kafka": password + "\n", "wrong": "another-password"}}
			if err := r.try(args("kafka"), scope); err != nil {
				t.Error(err)
			}
			err := r.try(args("wrong"), scope)
			if err == nil || !strings.Contains(fault.Of(err).Advice(), "password") || strings.Contains(err.Error(), "another-password") {
				t.Errorf("a wrong password: %v", err)
			}
			if err := r.try(args("absent"), scope); !fault.Is(err, fault.SecretMissing) {
				t.Errorf("a secret that is not there: %v", err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	r := cluster(t, kfake.TLS(&tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}))
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
	scope := capability.Scope{Grants: r.grants(), Secrets: secrets{"ca": ca}}
	with := func(ca, name string) *abi.KafkaOpen {
		return r.args(func(a *abi.KafkaOpen) { a.TLS, a.CA, a.ServerName, a.OpenTimeoutMS = true, ca, name, 1500 })
	}
	for _, good := range []*abi.KafkaOpen{with(ca, ""), with("secret://ca", "example.com")} {
		if err := r.try(good, scope); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []*abi.KafkaOpen{with("", ""), with(ca, "other.example")} {
		if err := r.try(bad, scope); !fault.Is(err, fault.PeerTLS) {
			t.Errorf("got %v", err)
		}
	}
	if err := r.try(r.args(func(a *abi.KafkaOpen) { a.OpenTimeoutMS = 1500 }), scope); err == nil || !strings.Contains(fault.Of(err).Advice(), "TLS") {
		t.Errorf("without TLS: %v", err)
	}
	if _, err := x509.ParseCertificate(web.Certificate().Raw); err != nil {
		t.Fatal(err)
	}
}

// Whoever may open a session may not read by it, nor go to an address that its
// grants do not name.
func TestGrantsAreHeld(t *testing.T) {
	r := cluster(t)
	only := func(right spec.Right, resources ...string) capability.Scope {
		return capability.Scope{Grants: []spec.Grant{{Group: Name, Resources: resources, Rights: []spec.Right{right}}}}
	}
	if _, err := group().Open(t.Context(), only(spec.Write, r.resource(topic), "cidr:127.0.0.0/8"), r.args(inGroup("g")).Append(nil)); !fault.Is(err, fault.Denied) {
		t.Errorf("a group without the right to read: %v", err)
	}
	if err := r.try(r.args(), only(spec.Write, r.resource(topic))); !fault.Is(err, fault.EgressForbidden) || !strings.Contains(fault.Of(err).Hint, "`snaprail grants add CONNECTOR kafka cidr:127.0.0.1/32`") {
		t.Errorf("a private address without its network: %v", err)
	}
	if err := r.try(r.args(), only(spec.Write, r.resource("other"), "cidr:127.0.0.0/8")); !fault.Is(err, fault.EgressForbidden) {
		t.Errorf("another topic: %v", err)
	}
	if err := r.try(r.args(), only(spec.Write, r.resource(topic), "cidr:127.0.0.0/8")); err != nil {
		t.Error(err)
	}
}

// A broker that says that the others are somewhere else leads nobody there.
func TestForeignBrokerIsRefusedAndTold(t *testing.T) {
	trap, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = trap.Close() })
	r := cluster(t)
	reply := func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		resp := kreq.ResponseKind().(*kmsg.MetadataResponse)
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = 0, "127.0.0.1", int32(portOf(t, trap.Addr().String()))
		resp.Brokers = append(resp.Brokers, b)
		for _, asked := range kreq.(*kmsg.MetadataRequest).Topics {
			tp := kmsg.NewMetadataResponseTopic()
			tp.Topic = asked.Topic
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Leader, p.Replicas, p.ISR = 0, []int32{0}, []int32{0}
			tp.Partitions = append(tp.Partitions, p)
			resp.Topics = append(resp.Topics, tp)
		}
		return resp, nil, true
	}
	end := r.opened(group(), r.args())
	r.cluster.ControlKey(int16(kmsg.Metadata), reply)
	eventually(t, "the session tells", func() bool {
		c := end.(capability.Reporter).Condition()
		return !c.Up && strings.Contains(c.Reason, trap.Addr().String())
	})
	err = r.try(r.args(), capability.Scope{Grants: r.grants()})
	if !fault.Is(err, fault.EgressForbidden) || !strings.Contains(err.Error(), "no grant covers \"kafka://"+trap.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if err := trap.(*net.TCPListener).SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if conn, err := trap.Accept(); err == nil {
		_ = conn.Close()
		t.Error("somebody came to the foreign address")
	}
}

func TestSettings(t *testing.T) {
	good := abi.KafkaOpen{Brokers: []string{"K1"}, Topic: "t"}
	for what, change := range map[string]func(*abi.KafkaOpen){
		"no broker":             func(a *abi.KafkaOpen) { a.Brokers = nil },
		"a URL":                 func(a *abi.KafkaOpen) { a.Brokers = []string{"http://k1"} },
		"a user":                func(a *abi.KafkaOpen) { a.Brokers = []string{"u@k1"} },
		"too many":              func(a *abi.KafkaOpen) { a.Brokers = make([]string, 17) },
		"no topic":              func(a *abi.KafkaOpen) { a.Topic = "" },
		"a path":                func(a *abi.KafkaOpen) { a.Topic = "../t" },
		"start":                 func(a *abi.KafkaOpen) { a.Start = "now" },
		"codec":                 func(a *abi.KafkaOpen) { a.Compression = "rar" },
		"mechanism":             func(a *abi.KafkaOpen) { a.Mechanism, a.Username = "GSSAPI", "u" },
		"no mechanism":          func(a *abi.KafkaOpen) { a.Password = "p" },
		"PLAIN without TLS":     func(a *abi.KafkaOpen) { a.Mechanism, a.Username = plainText, "u" },
		"a CA without TLS":      func(a *abi.KafkaOpen) { a.CA = "c" },
		"a key alone":           func(a *abi.KafkaOpen) { a.TLS, a.Key = true, "k" },
		"instance, but nowhere": func(a *abi.KafkaOpen) { a.Instance = "i" },
	} {
		a := good
		change(&a)
		if _, err := readSettings(a.Append(nil)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	set, err := readSettings(good.Append(nil))
	if err != nil || set.resource() != "kafka://k1:9092/t" {
		t.Errorf("%+v, %v", set, err)
	}
	if _, err := New(Config{}).Open(t.Context(), capability.Scope{}, good.Append(nil)); !fault.Is(err, fault.Unsupported) {
		t.Errorf("without a way out: %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for pattern, want := range map[string]bool{
		"kafka://k1:9092/t": true, "kafka://*.plant:9092/plant.*": true, "kafka://k1:*/t": true, "kafka://*:*/*": true, "cidr:10.0.0.0/8": true,
		"kafka://k1/t": false, "kafka://k1:9092": false, "kafka://k1:9092/": false, "kafka://k1:9092/a/b": false, "kafka://K1:9092/t": false,
		"http://k1:9092/t": false, "kafka://k1:9092/[": false, "kafka://010.0.0.1:9092/t": false, "kafka://k1:9092/a b": false, "cidr:10": false, "": false,
	} {
		if err := checkPattern(pattern); (err == nil) != want {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	for _, tt := range []struct {
		pattern, resource string
		want              bool
	}{
		{"kafka://k1:9092/t", "kafka://k1:9092/t", true},
		{"kafka://k1:9092/*", "kafka://k1:9092/t", true},
		{"kafka://*.plant:9092/t", "kafka://k1.plant:9092/t", true},
		{"kafka://*.plant:9092/t", "kafka://k1.plant.evil:9092/t", false},
		{"kafka://k1:9092/t", "kafka://k1:9093/t", false},
		{"kafka://k1:9092/t*", "kafka://k1:9092/u", false},
		{"kafka://k1:9092/*", "kafka://k1:9092/[tu]", false},
		{"cidr:10.0.0.0/8", "cidr:10.1.0.0/16", true},
		{"cidr:10.0.0.0/8", "kafka://10.0.0.1:9092/t", false},
	} {
		if got := covers(tt.pattern, tt.resource); got != tt.want {
			t.Errorf("%s on %s: %v", tt.pattern, tt.resource, got)
		}
	}
}

// FuzzCovers: what a pattern without stars covers is itself.
func FuzzCovers(f *testing.F) {
	f.Add("kafka://k1:9092/t", "kafka://k1:9092/t")
	f.Add("kafka://*:9092/t*", "kafka://[::1]:9092/t")
	f.Add("cidr:10.0.0.0/8", "cidr:10.0.0.0/9")
	f.Fuzz(func(t *testing.T, pattern, resource string) {
		if !covers(pattern, resource) || strings.ContainsAny(pattern, `*?[\`) || egress.IsNetwork(pattern) {
			return
		}
		at, name, _ := strings.Cut(strings.TrimPrefix(resource, scheme), "/")
		if canonical, err := broker(at); pattern != resource && (err != nil || resourceOf(canonical, name) != pattern) {
			t.Fatalf("%q covers %q", pattern, resource)
		}
	})
}

// FuzzTarget: no arguments break it, and a key says the same again.
func FuzzTarget(f *testing.F) {
	f.Add((&abi.KafkaOpen{Brokers: []string{"k1"}, Topic: "t", Group: "g"}).Append(nil))
	g := New(Config{Egress: egress.New(egress.Config{})})
	f.Fuzz(func(t *testing.T, in []byte) {
		first, err := g.Target(in)
		if err != nil {
			return
		}
		again, err := g.Target([]byte(first.Key))
		if err != nil || again != first {
			t.Fatalf("%+v, then %+v, %v", first, again, err)
		}
	})
}

// That no topic of a broker is granted is told apart from that one is not: a sink whose
// records name the topics cannot deliver any then.
func TestNoTopicAtAll(t *testing.T) {
	const resource = "kafka://k1:9092/plant.a"
	both := []spec.Right{spec.Read, spec.Write}
	for _, tt := range []struct {
		pattern string
		rights  []spec.Right
		right   spec.Right
		none    bool
	}{
		{"cidr:127.0.0.0/8", both, "", true},
		{"kafka://k2:9092/plant.a", both, spec.Write, true},
		{"kafka://k1:9092/plant.a", []spec.Right{spec.Read}, spec.Write, true},
		{"kafka://k1:9092/plant.b", both, "", false},
		{"kafka://k*/plant.b", []spec.Right{spec.Write}, spec.Write, false},
	} {
		grants := []spec.Grant{{Group: Name, Resources: []string{tt.pattern}, Rights: tt.rights}}
		err := capability.CheckIn(group(), grants, resource, tt.right)
		if !fault.Is(err, fault.Denied) || (fault.ToABI(err).Finer == abi.KafkaNoTopic) != tt.none || !strings.Contains(fault.Of(err).Hint, "`snaprail grants add CONNECTOR kafka \""+resource+"\"") {
			t.Errorf("%s %v for %q: %v", tt.pattern, tt.rights, tt.right, err)
		}
	}
	grants := []spec.Grant{{Group: Name, Resources: []string{"kafka://k1:9092/plant.*"}, Rights: both}}
	if err := capability.CheckIn(group(), grants, resource, spec.Write); err != nil {
		t.Error(err)
	}
}

// Nothing is missing of a session that only produces while its brokers are away.
func TestWhatOnlyProducesMissesNothing(t *testing.T) {
	r := cluster(t)
	for want, args := range map[bool]*abi.KafkaOpen{true: r.args(), false: r.args(inGroup("g"))} {
		s, ok := r.opened(group(), args).(capability.Deaf)
		if !ok || s.Deaf() != want {
			t.Errorf("with the group %q: %t", args.Group, ok)
		}
	}
}
