package egress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Where a peer is stands once in what is said of it, and the address that a name has
// led to stands there, too; the names of our own calls do not.
func TestAt(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	rules, err := egress.NetworkRules("mqtt", []spec.Grant{{Resources: []string{"cidr:127.0.0.0/8"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, refused := egress.New(egress.Config{}).Dialer(rules).DialContext(t.Context(), "tcp", address)
	for _, tt := range []struct {
		err                error
		where, address     string
		text, withoutWhere string
		kind               fault.Kind
	}{
		{refused, "broker:" + address, address, "broker:" + address + ": connection refused", "the peer at " + address + ": connection refused", fault.ResourceUnavailable},
		{refused, "broker:plc:1883", "plc:1883", "broker:plc:1883 at " + address + ": connection refused", "the peer at " + address + ": connection refused", fault.ResourceUnavailable},
		{fmt.Errorf("HEL: %w", refused), "plc", address, "plc: HEL: connection refused", "the peer at " + address + ": HEL: connection refused", fault.ResourceUnavailable},
		{io.EOF, "plc", address, "plc: EOF", "the peer: EOF", fault.ResourceUnavailable},
		{context.DeadlineExceeded, "plc", address, "plc: the peer did not answer in time", "the peer did not answer in time", fault.Timeout},
		{fault.New(fault.Denied, "no").WithHint("ask").WithRetryAfter(time.Second), "plc", address, "plc: no", "no", fault.Denied},
	} {
		f := egress.At(tt.where, tt.address, tt.err)
		if f.Text != tt.text || f.Kind != tt.kind || f.Advice() != fault.Of(egress.Explain(tt.err)).Advice() {
			t.Errorf("%v at %s: %+v", tt.err, tt.where, f)
		}
		if f := fault.Of(egress.Explain(tt.err)); f.Text != tt.withoutWhere || f.Kind != tt.kind {
			t.Errorf("%v: %+v", tt.err, f)
		}
		if said, ok := errors.AsType[*fault.Fault](tt.err); ok && (said.Text != "no" || f.RetryAfter != said.RetryAfter) {
			t.Errorf("%+v became %+v", said, f)
		}
	}
}

// Who may not reach an address is told the command that opens it, for the group whose
// grants did not; where there are no grants no command is named.
func TestHintOfAnAddress(t *testing.T) {
	e := egress.New(egress.Config{})
	network := func(group string) egress.Rules {
		r, err := egress.NetworkRules(group, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	http, err := egress.NewRules(nil)
	if err != nil {
		t.Fatal(err)
	}
	only, err := egress.Only("https://a.example/*")
	if err != nil {
		t.Fatal(err)
	}
	for want, rules := range map[string]egress.Rules{
		"`snaprail grants add CONNECTOR mqtt cidr:127.0.0.1/32`": network("mqtt"),
		"`snaprail grants add CONNECTOR http cidr:127.0.0.1/32`": http,
		"as in cidr:127.0.0.1/32":                                only,
	} {
		_, err := e.Dialer(rules).DialContext(t.Context(), "tcp", "127.0.0.1:9")
		if f := egress.At("plc", "127.0.0.1:9", err); f.Kind != fault.EgressForbidden || !strings.Contains(f.Hint, want) {
			t.Errorf("want %s: %v", want, f.Hint)
		}
		if _, err := e.Dialer(rules).DialContext(t.Context(), "tcp", "[::1]:9"); !strings.Contains(fault.Of(egress.Explain(err)).Hint, "cidr:::1/128") {
			t.Errorf("IPv6: %v", fault.Of(egress.Explain(err)).Hint)
		}
	}
}
