package egress_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Connections end with the rule that allowed them, and say so; what is dialled
// afterwards is held to the rules of then.
func TestRevocable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d := egress.New(egress.Config{}).Revocable(only(t, local))
	dial := func() net.Conn {
		t.Helper()
		c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c, closed := dial(), dial()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	d.Change(only(t, local), nil) // the same ones
	if _, err := c.Write([]byte("x")); err != nil {
		t.Errorf("under rules that allow it: %v", err)
	}
	said := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		said <- err
	}()
	d.Change(only(t, "cidr:10.0.0.0/8"), nil)
	if err := <-said; !fault.Is(err, fault.EgressForbidden) || !strings.Contains(err.Error(), "no grant names its network") {
		t.Errorf("read: %v", err)
	}
	if _, err := c.Write([]byte("x")); !fault.Is(err, fault.EgressForbidden) {
		t.Errorf("write: %v", err)
	}
	if _, err := closed.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("one that its user has closed: %v", err)
	}
	if _, err := d.DialContext(t.Context(), "tcp", l.Addr().String()); !fault.Is(err, fault.EgressForbidden) {
		t.Errorf("dial: %v", err)
	}
	d.Change(only(t, local), nil)
	c = dial()
	refused := fault.New(fault.Denied, "not this one")
	d.Change(only(t, local), func(address string) error {
		if address == l.Addr().String() {
			return refused
		}
		return nil
	})
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, refused) {
		t.Errorf("an address that is refused: %v", err)
	}
}
