package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
)

func TestSecrets(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	v, err := r.SetSecret(ctx, "pump-api", []byte("correct horse"), 0)
	if err != nil || v.Name != "pump-api" || !v.Set || v.Revision != 1 || v.Warnings != nil {
		t.Fatalf("%+v, %v", v, err)
	}
	again, err := r.SetSecret(ctx, "pump-api", []byte("correct horse"), 1)
	if err != nil || again.Revision != 2 || again.Fingerprint != v.Fingerprint {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, err := r.SetSecret(ctx, "pump-api", []byte("another horse"), 1); !fault.Is(err, fault.StaleRevision) {
		t.Error(err)
	}
	if _, err := r.SetSecret(ctx, "absent", []byte("another horse"), 3); !fault.Is(err, fault.StaleRevision) {
		t.Error(err)
	}
	for _, name := range []string{"", "-a", ".a", "a b", "a/b", "ü", strings.Repeat("a", 129)} {
		if _, err := r.SetSecret(ctx, name, []byte("value"), 0); !fault.Is(err, fault.Invalid) {
			t.Errorf("the name %q: %v", name, err)
		}
		if _, err := r.Secret(ctx, name); !fault.Is(err, fault.NotFound) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	for _, value := range []string{"", "\xff\xfe", strings.Repeat("x", secret.MaxValue+1)} {
		_, err := r.SetSecret(ctx, "a", []byte(value), 0)
		if !fault.Is(err, fault.Invalid) || value != "" && strings.Contains(err.Error(), value) {
			t.Errorf("%d bytes: %v", len(value), err)
		}
	}
	if v, err := r.SetSecret(ctx, "pin", []byte("12345"), 0); err != nil || len(v.Warnings) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	first, next, err := r.Secrets(ctx, control.Page{Limit: 1})
	if err != nil || len(first) != 1 || first[0].Name != "pin" || next != "pin" {
		t.Fatalf("%+v %q, %v", first, next, err)
	}
	rest, next, err := r.Secrets(ctx, control.Page{After: next})
	if err != nil || len(rest) != 1 || rest[0].Name != "pump-api" || next != "" {
		t.Fatalf("%+v %q, %v", rest, next, err)
	}
	if err := r.DeleteSecret(ctx, "pump-api", 1); !fault.Is(err, fault.StaleRevision) {
		t.Error(err)
	}
	if err := r.DeleteSecret(ctx, "pump-api", 2); err != nil {
		t.Error(err)
	}
	if err := r.DeleteSecret(ctx, "pump-api", 0); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	events, _, err := r.Audit(ctx, control.AuditQuery{Action: "secret"}, control.Page{})
	if err != nil || len(events) != 4 || events[0].Action != "secret.delete" || events[0].On != "pump-api" {
		t.Errorf("%+v, %v", events, err)
	}
	if text := fmt.Sprint(events); strings.Contains(text, "horse") || strings.Contains(text, "12345") {
		t.Errorf("the trail shows a value: %s", text)
	}
}

func TestSecretQuota(t *testing.T) {
	r := newRig(t)
	for i := range 1000 {
		if _, err := r.SetSecret(t.Context(), fmt.Sprintf("s%d", i), []byte("a value"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.SetSecret(t.Context(), "another", []byte("a value"), 0); !fault.Is(err, fault.QuotaReached) {
		t.Error(err)
	}
	if _, err := r.SetSecret(t.Context(), "s7", []byte("a value"), 0); err != nil {
		t.Error(err)
	}
}
