package supervisor

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// vaultOf is a vault with one secret: horse battery.
func vaultOf(t *testing.T) *secret.Vault {
	t.Helper()
	s := memory.New()
	keys, err := secret.Open(t.Context(), s.System(), secret.KEK{1})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := keys.Vault(t.Context(), "plant")
	if err != nil {
		t.Fatal(err)
	}
	space, err := s.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	err = space.Update(t.Context(), func(w store.Writer) error {
		_, err := vault.Seal(w, secret.Named("a"), []byte("horse battery"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return vault
}

// TestLogIsMasked in the message and in every kind of attribute, wherever it is
// added.
func TestLogIsMasked(t *testing.T) {
	var out bytes.Buffer
	plain := slog.New(slog.NewTextHandler(&out, nil))
	log := maskedLog(plain, vaultOf(t).Mask())
	log.With("early", "horse battery").WithGroup("group").Error("a horse battery",
		"text", "horse battery", "error", errors.New("horse battery"), "list", []string{"horse battery"}, "number", 7,
		slog.Group("inner", "deep", "horse battery"))
	got := out.String()
	if strings.Contains(got, "horse") || strings.Count(got, secret.Masked) != 6 || !strings.Contains(got, "group.number=7") {
		t.Error(got)
	}
	if maskedLog(plain, nil) != plain {
		t.Error("a log without a mask is another")
	}
}

func TestStatusAndTestAreMasked(t *testing.T) {
	tenant := &Tenant{vault: vaultOf(t)}
	s := tenant.masked(lifecycle.Status{
		Reason: "no horse battery", Sessions: []lifecycle.Session{{Reason: "horse battery", Resource: "/horse battery"}},
	})
	if s.Reason != "no [masked]" || s.Sessions[0].Reason != secret.Masked || s.Sessions[0].Resource != "/[masked]" {
		t.Errorf("%+v", s)
	}
	r := tenant.maskedTest(abi.TestResult{Message: "horse battery", Details: []abi.Header{{Name: "horse battery", Value: []byte("horse battery")}}})
	if r.Message != secret.Masked || r.Details[0].Name != secret.Masked || string(r.Details[0].Value) != secret.Masked {
		t.Errorf("%+v", r)
	}
}

// TestLineIsMaskedBeforeItIsCut: half a secret at the end of a long line would
// not be known again.
func TestLineIsMaskedBeforeItIsCut(t *testing.T) {
	j := newJournal(vaultOf(t).Mask())
	j.add(abi.LogInfo, "guest", "horse battery", strings.Repeat("x", maxText-5)+"horse battery")
	line, err := j.Next(t.Context(), 0)
	if err != nil || strings.Contains(line.Text, "horse") || line.Target != secret.Masked {
		t.Errorf("%q %q, %v", line.Target, line.Text[maxText-20:], err)
	}
}
