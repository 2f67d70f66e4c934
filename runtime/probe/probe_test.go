package probe_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/probe"
)

// free is a port that nobody has now.
func free(t *testing.T) int {
	t.Helper()
	ln := hold(t, 0)
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port
}

func hold(t *testing.T, port int) net.Listener {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// asked reports whether a connection comes about, as a probe of Kubernetes does.
func asked(t *testing.T, port int) bool {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	if n, _ := io.Copy(io.Discard, c); n != 0 {
		t.Errorf("the probe said %d bytes", n)
	}
	return true
}

func opened(t *testing.T) *probe.Probes {
	t.Helper()
	p := probe.New(probe.Config{Listen: func(ctx context.Context, port int) (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}})
	t.Cleanup(p.Close)
	return p
}

// TestPortOpensAndTrulyCloses: a connection comes about while there is
// something to show, and is refused before and after, again and again.
func TestPortOpensAndTrulyCloses(t *testing.T) {
	p, port := opened(t), free(t)
	if err := p.Assign(t.Context(), "line", port); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if asked(t, port) || p.Status("line").Open {
			t.Fatal("open with nothing to show")
		}
		for range 2 {
			if !p.Show(t.Context(), "line", true) || !asked(t, port) {
				t.Fatal("not open")
			}
		}
		p.Show(t.Context(), "line", false)
		_ = hold(t, port).Close() // nobody listens there: another can
	}
	p.Show(t.Context(), "line", true)
	p.Close()
	if asked(t, port) || p.Show(t.Context(), "line", true) && asked(t, port) {
		t.Error("open behind Close")
	}
}

// TestTakenPortIsAnError, when it is assigned, and shown when it is taken
// later.
func TestTakenPortIsAnError(t *testing.T) {
	p := opened(t)
	other := hold(t, 0)
	port := other.Addr().(*net.TCPAddr).Port
	if err := p.Assign(t.Context(), "line", port); !fault.Is(err, fault.Exists) || p.Status("line") != nil {
		t.Fatalf("a taken port: %v, %+v", err, p.Status("line"))
	}
	_ = other.Close()
	if err := p.Assign(t.Context(), "line", port); err != nil {
		t.Fatal(err)
	}
	if err := p.Assign(t.Context(), "other", port); !fault.Is(err, fault.Exists) {
		t.Errorf("a port of two: %v", err)
	}
	other = hold(t, port)
	if p.Show(t.Context(), "line", true) || p.Status("line").Error == "" {
		t.Errorf("shown on a port that was taken meanwhile: %+v", p.Status("line"))
	}
	_ = other.Close()
	if !p.Show(t.Context(), "line", true) || !asked(t, port) || p.Status("line").Error != "" {
		t.Errorf("not tried again: %+v", p.Status("line"))
	}
}

// TestPortIsGivenBack: 0 takes it away, and another port closes the one before.
func TestPortIsGivenBack(t *testing.T) {
	p, first, second := opened(t), free(t), free(t)
	for _, port := range []int{first, second} {
		if err := p.Assign(t.Context(), "line", port); err != nil {
			t.Fatal(err)
		}
		p.Show(t.Context(), "line", true)
	}
	if asked(t, first) || !asked(t, second) {
		t.Error("the first port is open, or the second is not")
	}
	if err := p.Assign(t.Context(), "line", 0); err != nil || asked(t, second) || len(p.Keys()) != 0 {
		t.Errorf("given back: %v, %v", err, p.Keys())
	}
	if err := p.Assign(t.Context(), "line", 65536); !fault.Is(err, fault.Invalid) {
		t.Errorf("no such port: %v", err)
	}
}

// TestPortsAreBounded, all together.
func TestPortsAreBounded(t *testing.T) {
	p := opened(t)
	var err error
	for n := range probe.MaxPorts + 1 {
		for {
			if err = p.Assign(t.Context(), strconv.Itoa(n), free(t)); !fault.Is(err, fault.Exists) {
				break
			}
		}
	}
	if !fault.Is(err, fault.Exhausted) || len(p.Keys()) != probe.MaxPorts {
		t.Errorf("%d ports, %v", len(p.Keys()), err)
	}
	var none *probe.Probes
	if err := none.Assign(t.Context(), "line", 1); !fault.Is(err, fault.Unsupported) || none.Status("line") != nil || none.Keys() != nil {
		t.Errorf("without probes: %v", err)
	}
	none.Close()
}

// TestFixedPortStands against whatever is assigned afterwards.
func TestFixedPortStands(t *testing.T) {
	p := opened(t)
	named, other := free(t), free(t)
	if err := p.Fix(t.Context(), "field", named); err != nil {
		t.Fatal(err)
	}
	for _, number := range []int{other, 0} {
		if err := p.Assign(t.Context(), "field", number); !fault.Is(err, fault.WrongState) {
			t.Errorf("the port %d was assigned: %v", number, err)
		}
	}
	if err := p.Assign(t.Context(), "field", named); err != nil {
		t.Error(err)
	}
	if s := p.Status("field"); s == nil || s.Port != named || !s.Fixed {
		t.Errorf("%+v", s)
	}
}
