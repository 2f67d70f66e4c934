package mqtt

import (
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestWhatMayBeOpened(t *testing.T) {
	r := mochi(t)
	read, write := []spec.Right{spec.Read}, []spec.Right{spec.Read, spec.Write}
	broker := func(rights []spec.Right, lock *spec.Interlock) spec.Grant {
		return spec.Grant{Resources: []string{"broker:" + r.at, "cidr:127.0.0.0/8"}, Rights: rights, Interlock: lock}
	}
	topic := func(rights []spec.Right, lock *spec.Interlock) spec.Grant {
		return spec.Grant{Resources: []string{"topic:in/#", "topic:dead"}, Rights: rights, Interlock: lock}
	}
	will := func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: "dead", Payload: []byte("x")} }
	none := func(*abi.MQTTOpen) {}
	for name, c := range map[string]struct {
		grants []spec.Grant
		change func(*abi.MQTTOpen)
		kind   fault.Kind
		ok     bool
	}{
		"to read":                {grants: []spec.Grant{broker(read, nil), topic(read, nil)}, change: none, ok: true},
		"a filter that is wider": {grants: []spec.Grant{broker(read, nil), {Resources: []string{"topic:in/x"}}}, change: none, kind: fault.Denied},
		"a broker to write":      {grants: []spec.Grant{broker([]spec.Right{spec.Write}, nil), topic(read, nil)}, change: none, kind: fault.Denied},
		"a topic of another broker": {
			grants: []spec.Grant{
				{Resources: []string{"broker:" + r.at, "topic:out/#", "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Write}},
				{Resources: []string{"broker:plant:1883", "topic:#"}, Rights: write},
			}, change: none, kind: fault.Denied,
		},
		"a topic of this broker": {
			grants: []spec.Grant{
				{Resources: []string{"broker:" + r.at, "topic:in/#", "cidr:127.0.0.0/8"}, Rights: read},
				{Resources: []string{"broker:plant:1883", "topic:#"}, Rights: write},
			}, change: none, ok: true,
		},
		"a will for another broker": {
			grants: []spec.Grant{broker(write, nil), topic(read, nil), {Resources: []string{"broker:plant:1883", "topic:#"}, Rights: write}},
			change: will, kind: fault.Denied,
		},
		"a filter to write":                {grants: []spec.Grant{broker(write, nil), topic([]spec.Right{spec.Write}, nil)}, change: none, kind: fault.Denied},
		"a private address":                {grants: []spec.Grant{{Resources: []string{"broker:" + r.at}}, topic(read, nil)}, change: none, kind: fault.EgressForbidden},
		"a will":                           {grants: []spec.Grant{broker(write, nil), topic(write, nil)}, change: will, ok: true},
		"a will at a broker to read":       {grants: []spec.Grant{broker(read, nil), topic(write, nil)}, change: will, kind: fault.Denied},
		"a will for a topic to read":       {grants: []spec.Grant{broker(write, nil), topic(read, nil)}, change: will, kind: fault.Denied},
		"a will behind an interlock":       {grants: []spec.Grant{broker(write, &spec.Interlock{}), topic(write, nil)}, change: will, kind: fault.Interlocked},
		"a will for a topic with one":      {grants: []spec.Grant{broker(write, nil), topic(write, &spec.Interlock{})}, change: will, kind: fault.Interlocked},
		"a will that nobody is asked for":  {grants: []spec.Grant{broker(write, &spec.Interlock{Unasked: true}), topic(write, nil)}, change: will, ok: true},
		"a subscription that is forbidden": {grants: grants(r.at), change: func(a *abi.MQTTOpen) { a.Subscriptions[0].Filter = "forbidden" }, kind: fault.ConfigInvalid},
		"a login that is refused":          {grants: grants(r.at), change: func(a *abi.MQTTOpen) { a.Username = "nobody" }, kind: fault.ConfigInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := scope(r.at)
			s.Grants = c.grants
			session, err := tryOpen(t, group(), s, args(r.at, named(strings.ReplaceAll(name, " ", "")), c.change))
			if c.ok {
				if err != nil {
					t.Fatal(err)
				}
				session.close()
				return
			}
			wantKind(t, name, err, c.kind)
			if hint := fault.Of(err).Hint; c.kind == fault.EgressForbidden && !strings.Contains(hint, "`snaprail grants add CONNECTOR mqtt cidr:127.0.0.1/32`") {
				t.Errorf("it is not said what to do: %s", hint)
			}
		})
	}
}

// What is secret is in no error and in no condition.
func TestSecretsStaySecret(t *testing.T) {
	const secret = "a-secret-that-nobody-sees"
	stub := listen(t)
	said := []byte("you said " + secret)
	property := append([]byte{31, 0, byte(len(said))}, said...)
	go func() {
		stub.accept(false, false)
		stub.write(stub.connAck(false, 0x86, property...))
	}()
	s := scope(stub.at)
	s.Secrets = testVault{"p": secret}
	_, err := tryOpen(t, group(), s, args(stub.at, func(a *abi.MQTTOpen) { a.Username, a.Password, a.AllowInsecure = "u", "secret://p", true }))
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "you said") {
		t.Errorf("%v", err)
	}
}

func TestArguments(t *testing.T) {
	for name, change := range map[string]func(*abi.MQTTOpen){
		"a scheme":                   func(a *abi.MQTTOpen) { a.URL = "tcp://b" },
		"a path":                     func(a *abi.MQTTOpen) { a.URL += "/x" },
		"a user in the URL":          func(a *abi.MQTTOpen) { a.URL = "mqtt://u:p@b" },
		"a version":                  func(a *abi.MQTTOpen) { a.Version = 3 },
		"a nameless client":          func(a *abi.MQTTOpen) { a.ClientID = "" },
		"a client id":                func(a *abi.MQTTOpen) { a.ClientID = "a\x00" },
		"a password without TLS":     func(a *abi.MQTTOpen) { a.Password = "p" },
		"a secret without TLS":       func(a *abi.MQTTOpen) { a.Username = "secret://u" },
		"certificates without TLS":   func(a *abi.MQTTOpen) { a.CA = "x" },
		"half a certificate":         func(a *abi.MQTTOpen) { a.URL, a.Certificate = "mqtts://b", "x" },
		"a clean 3.1.1 that expires": func(a *abi.MQTTOpen) { a.Version, a.CleanStart = 4, true },
		"a will's topic":             func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: "a/#"} },
		"a will's QoS":               func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: "a", QoS: 3} },
		"a will's payload":           func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: "a", Payload: make([]byte, 65536)} },
		"a filter":                   func(a *abi.MQTTOpen) { a.Subscriptions[0].Filter = "a#" },
		"a filter twice":             func(a *abi.MQTTOpen) { a.Subscriptions = append(a.Subscriptions, a.Subscriptions[0]) },
		"a filter's QoS":             func(a *abi.MQTTOpen) { a.Subscriptions[0].QoS = 3 },
		"a shared one of all groups": func(a *abi.MQTTOpen) { a.Subscriptions[0].Filter = "$share/+/a" },
		"a shared one, not local":    func(a *abi.MQTTOpen) { a.Subscriptions[0].Filter, a.Subscriptions[0].NoLocal = "$share/g/a", true },
	} {
		if _, err := New(Config{}).Target(args("b:1883", change).Append(nil)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for url, want := range map[string]string{"mqtt://B": "broker:b:1883", "mqtts://b/": "broker:b:8883", "mqtt://[::1]:7": "broker:[::1]:7", "mqtt://127.0.0.1": "broker:127.0.0.1:1883"} {
		target, err := New(Config{}).Target(args("", func(a *abi.MQTTOpen) { a.URL = url }).Append(nil))
		if err != nil || target.Resource != want {
			t.Errorf("%s: %+v, %v", url, target, err)
		}
	}
}

// What may be published to one broker may not be published to another.
func TestTopicsOfAnotherBroker(t *testing.T) {
	r := mochi(t)
	s := scope(r.at)
	write := []spec.Right{spec.Write}
	s.Grants = []spec.Grant{
		{Resources: []string{"broker:" + r.at, "topic:out/#", "cidr:127.0.0.0/8"}, Rights: write},
		{Resources: []string{"broker:plant:1883", "topic:plc/#"}, Rights: write},
		{Resources: []string{"broker:plant:1883", "topic:out/b"}, Rights: write, Interlock: &spec.Interlock{}},
		{Resources: []string{"topic:any/#"}, Rights: write},
	}
	c := open(t, group(), s, args(r.at, func(a *abi.MQTTOpen) { a.Subscriptions = nil }))
	results, err := c.publish(abi.MQTTPublish{Messages: []abi.MQTTMessage{
		{Topic: "out/a", QoS: 1}, {Topic: "out/b", QoS: 1}, {Topic: "any/a", QoS: 1}, {Topic: "plc/valve/open", QoS: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, result := range results {
		codes = append(codes, result.Code)
	}
	if want := []string{"", "", "", codeDenied}; !slices.Equal(codes, want) {
		t.Errorf("%q, want %q", codes, want)
	}
	if got := r.published("plc/#"); len(got) > 0 {
		t.Errorf("published %v", got)
	}
}
