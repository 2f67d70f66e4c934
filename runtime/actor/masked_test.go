package actor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func hideHorse(text string) string { return strings.ReplaceAll(text, "horse", "[masked]") }

func TestErrorsAreMasked(t *testing.T) {
	s := &surroundings{mask: hideHorse}
	was := fault.New(fault.GuestTrap, "died of a horse").WithHint("no horse").WithRetryAfter(time.Second)
	f := fault.Of(s.clean(was))
	if f.Kind != fault.GuestTrap || f.Text != "died of a [masked]" || f.Hint != "no [masked]" || f.RetryAfter != time.Second {
		t.Errorf("%+v", f)
	}
	if f.Unwrap() != nil {
		t.Error("what it was made from is still there")
	}
	plain := fault.New(fault.Guest, "nothing of the kind")
	if got := s.clean(plain); !errors.Is(got, plain) {
		t.Errorf("another error: %v", got)
	}
	if got := (&surroundings{}).clean(was); !errors.Is(got, was) {
		t.Errorf("without a mask: %v", got)
	}
	if s.clean(nil) != nil {
		t.Error("nothing became an error")
	}
}

// TestOnlyNamedSecretsAreUsed: a guest gets the host to use the secrets that its
// connector names, and no other of the tenant.
func TestOnlyNamedSecretsAreUsed(t *testing.T) {
	var told []Refusal
	g := &guest{surroundings: &surroundings{
		log:      slog.New(slog.DiscardHandler),
		refusals: &refusals{tell: func(r Refusal) { told = append(told, r) }},
		secret:   func(_ context.Context, name string) ([]byte, error) { return []byte("value of " + name), nil },
	}}
	g.named = namesOf(json.RawMessage(`{"headers":{"Authorization":"Bearer secret://in-config"}}`),
		[]spec.Grant{{Group: "http", Resources: []string{"https://h/secret://in-grant"}}})
	secrets := g.scope("http").Secrets
	for _, name := range []string{"in-config", "in-grant"} {
		if value, err := secrets.Secret(t.Context(), name); err != nil || string(value) != "value of "+name {
			t.Errorf("%s: %q, %v", name, value, err)
		}
	}
	for _, name := range []string{"other", "", "in-confi", "in-config2"} {
		if value, err := secrets.Secret(t.Context(), name); !fault.Is(err, fault.Denied) || value != nil {
			t.Errorf("%q is used: %q, %v", name, value, err)
		}
	}
	if len(told) == 0 || told[0].Group != "secret" || told[0].Resource != "other" || told[0].Code != "denied" {
		t.Errorf("told %+v", told)
	}
	g.secret = nil // a converter
	if _, err := secrets.Secret(t.Context(), "in-config"); !fault.Is(err, fault.SecretMissing) {
		t.Error(err)
	}
}
