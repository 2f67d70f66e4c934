package mqtt

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestMosquitto is what a broker of another make, with clients of another make, has
// to say to it.
func TestMosquitto(t *testing.T) {
	m := peertest.StartMosquitto(t)
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		id := strings.NewReplacer("/", "-", ".", "").Replace(t.Name())
		mine := func(change ...func(*abi.MQTTOpen)) *abi.MQTTOpen {
			return args(m.Address, append([]func(*abi.MQTTOpen){version, named(id)}, change...)...)
		}
		t.Run("messages", func(t *testing.T) {
			m.Send("-t", "in/kept", "-m", "r", "-q", "1", "-r")
			c := open(t, group(), scope(m.Address), mine())
			c.want("in/kept=r")
			for qos := range 3 {
				m.Send("-t", "in/x", "-m", fmt.Sprint(qos), "-q", fmt.Sprint(qos))
			}
			c.want("in/x=0", "in/x=1", "in/x=2")
			c.Ack(4)
			got := m.Receive(6, func() {
				c.mustPublish(0, "0")
				c.mustPublish(1, "1", "2", "3")
				c.mustPublish(2, "4", "5")
			}, "-t", "out", "-q", "2")
			if want := []string{"out 0", "out 1", "out 2", "out 3", "out 4", "out 5"}; !slices.Equal(got, want) {
				t.Errorf("%v", got)
			}
			m.Send("-t", "in/kept", "-n", "-r") // forgotten
			c.want("in/kept=")
			c.Ack(1)
		})
		t.Run("a restart of the host", func(t *testing.T) {
			c := open(t, group(), scope(m.Address), mine())
			m.Send("-t", "in/x", "-m", "1", "-q", "1")
			m.Send("-t", "in/x", "-m", "2", "-q", "2")
			c.want("in/x=1", "in/x=2")
			c.Ack(1)
			c.mustPublish(1, "the acknowledgement has come")
			c.close()
			m.Send("-t", "in/x", "-m", "3", "-q", "2")
			again := open(t, group(), scope(m.Address), mine())
			again.want("in/x=2", "in/x=3")
			again.mustPublish(2, "a", "b") // identifiers of an earlier process are settled
			again.Ack(2)
			m.Send("-t", "in/x", "-m", "4", "-q", "2")
			again.want("in/x=4")
			again.Ack(1)
		})
		t.Run("a restart of the broker", func(t *testing.T) {
			c := open(t, group(), scope(m.Address), mine())
			m.Send("-t", "in/x", "-m", "1", "-q", "2")
			c.want("in/x=1")
			m.Stop()
			c.want("down")
			c.Ack(2) // of what it cannot be told
			m.Start()
			c.want("up")
			m.Send("-t", "in/x", "-m", "2", "-q", "1")
			c.want("in/x=2")
			c.Ack(2)
			c.mustPublish(2, "still there")
		})
		t.Run("a broker that dies", func(t *testing.T) {
			c := open(t, group(), scope(m.Address), mine(named(id+"-dies")))
			m.Kill()
			c.want("down")
			m.Start()
			c.want("gap:session_lost", "up")
			m.Send("-t", "in/x", "-m", "1", "-q", "1")
			c.want("in/x=1")
			c.Ack(4)
		})
		t.Run("shared, and the broker's own", func(t *testing.T) {
			s := scope(m.Address)
			s.Grants[0].Resources = append(s.Grants[0].Resources, "topic:$SYS/broker/#")
			a := mine(named(""), func(a *abi.MQTTOpen) {
				a.SessionExpiryS, a.CleanStart = 0, true
				a.Subscriptions = []abi.MQTTSubscription{{Filter: "$share/g/in/#", QoS: 1}}
			})
			one, two := open(t, group(), s, a), open(t, group(), s, a)
			for i := range 4 {
				m.Send("-t", "in/x", "-m", fmt.Sprint(i), "-q", "1")
			}
			eventually(t, "each message comes once", func() bool { return one.received.Load()+two.received.Load() == 4 })
			if one.received.Load() == 0 || two.received.Load() == 0 {
				t.Error("they do not share")
			}
			own := open(t, group(), s, mine(named(""), func(a *abi.MQTTOpen) {
				a.SessionExpiryS, a.CleanStart = 0, true
				a.Subscriptions = []abi.MQTTSubscription{{Filter: "$SYS/broker/version"}}
			}))
			if got := own.next(1); !strings.Contains(got[0], "mosquitto version") {
				t.Errorf("%v", got)
			}
		})
		t.Run("the will", func(t *testing.T) {
			c := open(t, group(), scope(m.Address), mine(named(id+"-will"), func(a *abi.MQTTOpen) {
				a.Will = &abi.MQTTMessage{Topic: "out/dead", Payload: []byte("gone"), QoS: 1}
			}))
			got := m.Receive(1, func() { _ = c.last.conn.Close() }, "-t", "out/dead", "-q", "1")
			if !slices.Equal(got, []string{"out/dead gone"}) {
				t.Errorf("%v", got)
			}
			c.want("down", "up")
			c.Own()
			if got := m.Receive(1, c.close, "-t", "out/dead", "-q", "1"); !slices.Equal(got, []string{"out/dead gone"}) {
				t.Errorf("at the end: %v", got)
			}
		})
	})
	t.Run("taken over", func(t *testing.T) {
		c := open(t, group(), scope(m.Address), args(m.Address, named("mine")))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, port, _ := strings.Cut(m.Address, ":")
		other := exec.CommandContext(ctx, "mosquitto_sub", "-p", port, "-V", "5", "-i", "mine", "-t", "in/#")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		c.want("down")
		if reason := c.Condition().Reason; !strings.Contains(reason, `another client may have the client id "mine"`) {
			t.Errorf("it does not say why: %s", reason) // this broker does not, either
		}
		cancel()
		_ = other.Wait()
	})
}

// vault holds the secrets of tests.
type testVault map[string]string

func (v testVault) Secret(_ context.Context, name string) ([]byte, error) {
	if text, ok := v[name]; ok {
		return []byte(text), nil
	}
	return nil, fault.New(fault.SecretMissing, "no secret %s", name)
}

func TestLoginsOfMosquitto(t *testing.T) {
	m := peertest.StartMosquitto(t)
	secrets := testVault{"right": peertest.MosquittoPassword + "\n", "wrong": "no", "ca": string(m.CA), "cert": string(m.Certificate), "key": string(m.Key)}
	try := func(at string, change ...func(*abi.MQTTOpen)) error {
		s := scope(at)
		s.Secrets = secrets
		c, err := tryOpen(t, group(), s, args(at, append([]func(*abi.MQTTOpen){func(a *abi.MQTTOpen) {
			a.AllowInsecure, a.OpenTimeoutMS = true, 1000
		}}, change...)...))
		if err == nil {
			c.mustPublish(1, "let in")
			c.close()
		}
		return err
	}
	login := func(user, password string) func(*abi.MQTTOpen) {
		return func(a *abi.MQTTOpen) { a.Username, a.Password = user, password }
	}
	secure := func(ca, certificate, key, name string) func(*abi.MQTTOpen) {
		return func(a *abi.MQTTOpen) {
			a.URL, a.CA, a.Certificate, a.Key, a.ServerName = "mqtts://"+m.TLS, ca, certificate, key, name
		}
	}
	both(t, func(t *testing.T, version func(*abi.MQTTOpen)) {
		t.Helper()
		if err := try(m.Login, version, login(peertest.MosquittoUser, "secret://right")); err != nil {
			t.Error(err)
		}
		wantKind(t, "a wrong password", try(m.Login, version, login(peertest.MosquittoUser, "secret://wrong")), fault.ConfigInvalid)
		wantKind(t, "no login", try(m.Login, version), fault.ConfigInvalid)
		wantKind(t, "no secret", try(m.Login, version, login(peertest.MosquittoUser, "secret://none")), fault.SecretMissing)
		if err := try(m.TLS, version, secure("secret://ca", "secret://cert", "secret://key", "localhost")); err != nil {
			t.Error(err)
		}
		wantKind(t, "another name", try(m.TLS, version, secure("secret://ca", "secret://cert", "secret://key", "")), fault.PeerTLS)
		wantKind(t, "an authority that is not known", try(m.TLS, version, secure("", "secret://cert", "secret://key", "localhost")), fault.PeerTLS)
		if err := try(m.TLS, version, secure("secret://ca", "", "", "localhost")); err == nil {
			t.Error("let in without a certificate")
		}
		if err := try(m.TLS, version); err == nil {
			t.Error("let in without TLS")
		}
	})
}

var _ capability.Secrets = testVault{}
