package serial

import (
	"context"
	"errors"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The names of the group and its functions.
const (
	Name = "serial"

	functionWrite      = "write"
	functionDrain      = "drain"
	functionFlush      = "flush"
	functionTransact   = "transact"
	functionRead       = "read"
	functionReadUntil  = "read_until"
	functionSignals    = "signals"
	functionSetSignals = "set_signals"
	functionBreak      = "break"
	functionList       = "list"
)

// Config bounds what one session buffers. The zero value means the defaults.
type Config struct {
	Frames int // events kept until they are acknowledged; default 4096
	Bytes  int // their data; default 1 MiB; at least 4 times the largest frame
}

const (
	defaultFrames = 4096
	defaultBytes  = 1 << 20

	answerTime = 200 * time.Millisecond
)

// Group is all serial ports of this machine.
type Group struct {
	driver driver
	ports  claims
	frames int
	bytes  int
	buses  buses
	lister lister
}

// New is the group of this machine's serial ports.
func New(cfg Config) *Group { return newGroup(cfg, systemDriver()) }

func newGroup(cfg Config, d driver) *Group {
	g := &Group{driver: d, frames: cfg.Frames, bytes: cfg.Bytes, lister: systemLister()}
	if g.frames <= 0 {
		g.frames = defaultFrames
	}
	if g.bytes <= 0 {
		g.bytes = defaultBytes
	}
	return g
}

// Name is "serial".
func (g *Group) Name() string { return Name }

// Functions lists the host functions.
func (g *Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Right: spec.Read, Sentence: "open the serial ports that it is granted and read what devices send"},
		{Name: functionWrite, Right: spec.Write, Sentence: "write to the serial ports that it is granted", Rehearse: rehearse},
		{Name: functionDrain, Right: spec.Write, Sentence: "wait until what it wrote to a serial port has been sent"},
		{Name: functionFlush, Right: spec.Write, Sentence: "discard what a serial port has received and not yet sent"},
		{Name: functionTransact, Right: spec.Write, Sentence: "write to a serial port and wait for the answer, while nobody else of the connector has the line", Rehearse: rehearseTransact},
		{Name: functionRead, Right: spec.Read, Consumes: true, Sentence: "read bytes from a serial port that it is granted"},
		{Name: functionReadUntil, Right: spec.Read, Consumes: true, Sentence: "read from a serial port up to a delimiter"},
		{Name: functionSignals, Right: spec.Read, Sentence: "read the modem lines of a serial port"},
		{Name: functionSetSignals, Right: spec.Write, Sentence: "set the modem lines of a serial port", Rehearse: rehearseNothing},
		{Name: functionBreak, Right: spec.Write, Sentence: "send a break on a serial port", Rehearse: rehearseNothing},
		{Name: functionList, Sentence: "list the serial ports that it is granted"},
	}
}

// Target reads an encoded abi.SerialOpen. The resource is the cleaned path of
// the port, as the guest names it: links are not followed.
func (g *Group) Target(args []byte) (capability.Target, error) {
	set, err := g.settings(args)
	if err != nil {
		return capability.Target{}, err
	}
	return capability.Target{Resource: set.port, Key: set.key()}, nil
}

// Open opens the port, trying again until it is there or open_timeout or ctx
// ends.
//
// A port that another owner has is refused at once with fault.PortInUse. When
// the same owner has it open already (with other settings, or the actor would
// have adopted that session), the new session is opened behind it: it is down
// until the older session closes, then it takes the open port over without
// closing it, sets it to its own settings and tells EventUp. So a swap can
// change the baud rate, and a swap that is called off leaves the older session
// untouched.
func (g *Group) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	set, err := g.settings(args)
	if err != nil {
		return nil, err
	}
	if set.shared {
		return g.join(ctx, scope, set)
	}
	return g.openSession(ctx, scope, set, nil)
}

// openSession opens a session that has the port, for a guest or for a bus.
func (g *Group) openSession(ctx context.Context, scope capability.Scope, set settings, b *bus) (*Session, error) {
	real, err := g.driver.resolve(set.port)
	if err != nil {
		real = "" // not there yet; connect looks again
	}
	c := newClaim(&scope, set.port, real)
	if err := g.ports.enter(c); err != nil {
		return nil, err
	}
	s := newSession(g, set, c, scope)
	s.bus = b
	if c.waiting() {
		s.start(nil)
		return s, nil
	}
	dev, err := g.connect(ctx, c, set)
	if err != nil {
		g.ports.leave(c, legacy{})
		return nil, err
	}
	s.start(dev)
	return s, nil
}

// connect opens the port for the first time (S2.31 to S2.34).
func (g *Group) connect(ctx context.Context, c *claim, set settings) (device, error) {
	wait, cancel := beforeDeadline(ctx, set.openTimeout)
	defer cancel()
	pause := time.NewTicker(set.openRetry)
	defer pause.Stop()
	for {
		dev, err := g.tryOpen(c, set)
		if err == nil || !err.retry {
			return dev, err.faultOrNil()
		}
		select {
		case <-pause.C:
		case <-wait.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, fault.Wrap(fault.Canceled, ctx.Err(), "serial port %s was not opened", set.port)
			}
			return nil, err.timedOut(set.port)
		}
	}
}

// beforeDeadline bounds a wait by most, and ends it a little before ctx's
// deadline: the guest has to be able to read the answer.
func beforeDeadline(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		most = min(most, left-min(left/5, answerTime))
	}
	return context.WithTimeout(ctx, most)
}

// tryOpen opens the port once. The claim covers the real device before it is
// touched, because opening a port already moves its modem lines.
func (g *Group) tryOpen(c *claim, set settings) (device, *openError) {
	real, err := g.driver.resolve(set.port)
	if err != nil {
		return nil, refused(set.port, err)
	}
	if err := g.ports.move(c, real); err != nil {
		return nil, &openError{fault: err}
	}
	dev, err := g.driver.open(real, set)
	if err != nil {
		g.ports.lose(c)
		return nil, refused(set.port, err)
	}
	return dev, nil
}
