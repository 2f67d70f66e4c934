package serial

import (
	"slices"
	"sync"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// claims is who has which port. A session claims its port by the name that it
// was given for as long as it lives, and by the real path while it has the
// device open: two names of one device cannot be open twice, and after a
// replug that renumbers the devices two connectors with links cannot lock each
// other out.
type claims struct {
	mu    sync.Mutex
	held  []*claim
	queue []*claim // claims that wait for one of the same owner
}

// claim is one session's. Its fields after owner are guarded by claims.mu.
type claim struct {
	owner  string
	tenant string // whose the owner is
	port   string
	real   string // "" while the device is not open
	// turn is nil unless the claim had to wait. When its turn comes, it gets
	// what the older session leaves.
	turn chan legacy
}

// legacy is what a session leaves to the one that takes its port over.
type legacy struct {
	dev    device             // open; nil: the heir has to open the port itself
	events []capability.Event // not acknowledged
	part   []byte             // read after these
}

func newClaim(scope *capability.Scope, port, real string) *claim {
	return &claim{owner: scope.Owner, tenant: scope.Tenant, port: port, real: real}
}

// waiting reports whether the claim did not get the port when it entered.
func (c *claim) waiting() bool { return c.turn != nil }

func (c *claim) conflicts(d *claim) bool {
	return c != d && (c.port == d.port || c.real != "" && c.real == d.real)
}

// enter claims the port, or queues behind a claim of the same owner.
func (t *claims) enter(c *claim) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	holder := conflicting(t.held, c)
	switch {
	case holder == nil:
		t.held = append(t.held, c)
		return nil
	case holder.owner != c.owner:
		return c.inUse(holder)
	case conflicting(t.queue, c) != nil:
		return fault.New(fault.PortInUse, "serial port %s is open already, and another session of this connector waits for it", c.port).
			WithHint("Open each port once in a module.")
	}
	c.turn = make(chan legacy, 1)
	t.queue = append(t.queue, c)
	return nil
}

// move claims the real device as well.
func (t *claims) move(c *claim, real string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := c.real
	c.real = real
	if holder := conflicting(t.held, c); holder != nil {
		c.real = before
		return c.inUse(holder)
	}
	return nil
}

// lose gives the real device up and keeps the name.
func (t *claims) lose(c *claim) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.real = ""
	t.promote("", legacy{})
}

// handOver gives the port with its open device to the claim that waits for
// it. Without one nothing changes: the caller closes the device and leaves.
func (t *claims) handOver(c *claim, l legacy) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	heir := slices.ContainsFunc(t.queue, func(w *claim) bool { return w.real != "" && w.real == c.real })
	if !heir {
		return false
	}
	t.held = without(t.held, c)
	if t.promote(c.real, l) {
		return true
	}
	t.held = append(t.held, c) // the heir waits for somebody else, too
	return false
}

// leave gives everything up; the device is closed already. What is left goes
// to the claim that waits.
func (t *claims) leave(c *claim, l legacy) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue, t.held = without(t.queue, c), without(t.held, c)
	t.promote("", l)
}

// withdraw ends c's wait. It answers what c was given and has not picked up;
// c is then the holder, and leaves as one.
func (t *claims) withdraw(c *claim) legacy {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = without(t.queue, c)
	select {
	case l := <-c.turn: // never, where turn is nil
		return l
	default:
		return legacy{}
	}
}

// promote gives the port to the claims of the queue that nothing stands in the
// way of any more, and what is left to the first of these; if that is a device,
// which is open at the path real, to the first that means it. It reports
// whether there was one.
func (t *claims) promote(real string, l legacy) (given bool) {
	for {
		i := slices.IndexFunc(t.queue, func(w *claim) bool { return conflicting(t.held, w) == nil })
		if i < 0 {
			return given
		}
		w := t.queue[i]
		t.queue = slices.Delete(t.queue, i, i+1)
		t.held = append(t.held, w)
		switch {
		case given || l.dev != nil && w.real != real:
			w.real = ""
			w.turn <- legacy{}
			continue
		case l.dev == nil:
			w.real = ""
		}
		w.turn <- l
		given = true
	}
}

// open lists the ports in use, for tests and messages.
func (t *claims) open() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]string, len(t.held))
	for i, c := range t.held {
		names[i] = c.port
	}
	return names
}

func conflicting(in []*claim, c *claim) *claim {
	i := slices.IndexFunc(in, c.conflicts)
	if i < 0 {
		return nil
	}
	return in[i]
}

func without(in []*claim, c *claim) []*claim {
	return slices.DeleteFunc(in, func(d *claim) bool { return d == c })
}

// inUse names the holder to its own tenant alone: another one has no business with
// its connectors.
func (c *claim) inUse(holder *claim) error {
	if holder.tenant != c.tenant {
		return fault.New(fault.PortInUse, "serial port %s is in use", c.port).
			WithHint("Ask whoever runs the machine who has the port.")
	}
	return fault.New(fault.PortInUse, "serial port %s is owned by connector %s", c.port, holder.owner)
}
