//go:build linux && !ppc64le

package serial

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				name, port string
				kind       fault.Kind
				text       string
			}{
				{"absent", filepath.Join(dir, "absent"), fault.PortNotFound, "Connection refused per timeout for device " + dir + "/absent"},
				{"a file", file, fault.Invalid, "is not a serial port"},
				{"a folder", dir, fault.Invalid, "is not a serial port"},
				{"another kind of device", "/dev/null", fault.Invalid, "is not a serial port"},
			} {
				_, err := g.Open(t.Context(), scope("x"), encoded(abi.SerialOpen{Port: c.port, OpenTimeoutMS: 50}))
				if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || fault.Of(err).Advice() == "" {
					t.Errorf("%s: got %v (%v), want %v", c.name, err, fault.Of(err).Kind, c.kind)
				}
			}
			if left := g.ports.open(); len(left) != 0 {
				t.Errorf("claims left behind: %v", left)
			}
		})
	}
}

func TestErrorsOfTheSystemInWords(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind fault.Kind
		hint string
	}{
		{os.ErrPermission, fault.ResourceUnavailable, "dialout"},
		{os.ErrNotExist, fault.PortNotFound, "cable"},
		{errBusy, fault.PortInUse, "fuser"},
		{errUnsupported, fault.Unsupported, "settings"},
		{errors.New("other"), fault.ResourceUnavailable, "switched on"},
	} {
		f := fault.Of(refused("/dev/ttyUSB0", c.err).fault)
		if f.Kind != c.kind || !strings.Contains(f.Advice(), c.hint) {
			t.Errorf("%v: got %v, %q", c.err, f.Kind, f.Advice())
		}
	}
}

// The port may come a little later than the connector.
func TestOpenTriesAgain(t *testing.T) {
	r := plugged(t)
	r.unplug()
	g := New(Config{})
	done := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() { r.plug(); close(done) })
	s := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.OpenTimeoutMS = 5000 }))
	<-done
	r.send("1\n")
	expect(t, s, `"1\n"`)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	g := New(Config{})
	absent := encoded(abi.SerialOpen{Port: filepath.Join(t.TempDir(), "absent")})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := g.Open(ctx, scope("x"), absent); !fault.Is(err, fault.PortNotFound) {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := g.Open(ctx, scope("x"), absent); !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
}

// needsRoot leaves out what the portable driver cannot show to a normal user on
// a pseudo-terminal: its lock on the line stays while the test's own end of it
// is open, and root alone passes it.
func needsRoot(t *testing.T, driver string) {
	t.Helper()
	if driver == "portable" && os.Geteuid() != 0 {
		t.Skip("the portable driver's lock on a pseudo-terminal outlives it for all but root")
	}
}
