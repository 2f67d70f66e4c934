package supervisor

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
)

// Vault is where the tenant's secrets are kept.
func (t *Tenant) Vault() *secret.Vault { return t.vault }

// Book is the parameters of the tenant's connectors.
func (t *Tenant) Book() *param.Book { return t.book }

// Secret implements actor.Host: the value of secret://name.
func (h *host) Secret(ctx context.Context, name string) (value []byte, err error) {
	err = h.space.View(ctx, func(r store.Reader) error {
		value, _, err = h.vault.Unseal(r, secret.Named(name))
		return err
	})
	return value, err
}

// masked is a status without the tenant's secrets: why something failed, and
// what a guest asked to open, are texts that guests and peers make up.
func (t *Tenant) masked(s lifecycle.Status) lifecycle.Status {
	mask := t.vault.Mask()
	s.Reason, s.Try = mask.Text(s.Reason), mask.Text(s.Try)
	if r := s.LastRefused; r != nil {
		s.LastRefused = &lifecycle.Refused{At: r.At, Position: r.Position, Reason: mask.Text(r.Reason), Device: r.Device}
	}
	for i := range s.Sessions { // its own: each status makes the list anew
		s.Sessions[i].Reason = mask.Text(s.Sessions[i].Reason)
		s.Sessions[i].Resource = mask.Text(s.Sessions[i].Resource)
	}
	return s
}

// maskedTest is a test's result without the tenant's secrets.
func (t *Tenant) maskedTest(r abi.TestResult) abi.TestResult {
	mask := t.vault.Mask()
	r.Message = mask.Text(r.Message)
	for i := range r.Details {
		r.Details[i].Name, r.Details[i].Value = mask.Text(r.Details[i].Name), mask.Bytes(r.Details[i].Value)
	}
	return r
}

// maskedFault is what a guest or a peer made up, without the tenant's secrets.
func (t *Tenant) maskedFault(err error) error {
	return t.vault.Mask().Fault(fault.Of(err))
}

// maskedLog is a log that takes no secret of the tenant.
func maskedLog(log *slog.Logger, mask *secret.Mask) *slog.Logger {
	if mask == nil {
		return log
	}
	return slog.New(masking{log.Handler(), mask})
}

// masking is a handler that masks what it hands on.
type masking struct {
	slog.Handler

	mask *secret.Mask
}

// Handle implements slog.Handler.
func (m masking) Handle(ctx context.Context, r slog.Record) error {
	masked := slog.NewRecord(r.Time, r.Level, m.mask.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		masked.AddAttrs(m.attr(a))
		return true
	})
	return m.Handler.Handle(ctx, masked)
}

// WithAttrs implements slog.Handler.
func (m masking) WithAttrs(attrs []slog.Attr) slog.Handler {
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		masked[i] = m.attr(a)
	}
	return masking{m.Handler.WithAttrs(masked), m.mask}
}

// WithGroup implements slog.Handler.
func (m masking) WithGroup(name string) slog.Handler {
	return masking{m.Handler.WithGroup(name), m.mask}
}

func (m masking) attr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	var text string
	switch a.Value.Kind() {
	case slog.KindString:
		text = a.Value.String()
	case slog.KindGroup:
		var group []slog.Attr
		for _, one := range a.Value.Group() {
			group = append(group, m.attr(one))
		}
		a.Value = slog.GroupValue(group...)
		return a
	case slog.KindAny:
		text = fmt.Sprint(a.Value.Any())
	default: // numbers and times
		return a
	}
	if masked := m.mask.Text(text); masked != text {
		a.Value = slog.StringValue(masked)
	}
	return a
}
