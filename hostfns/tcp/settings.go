package tcp

import (
	"bytes"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
)

// settings are the arguments of open, checked, with the defaults filled in.
type settings struct {
	args    abi.TCPOpen // in canonical form
	key     string
	framing abi.Framing

	openTimeout  time.Duration
	writeTimeout time.Duration // 0: the call's deadline alone
	idle         time.Duration // 0: for ever
	keepAlive    time.Duration
	retry, slow  time.Duration
	buffer       int // bytes
}

// The defaults and bounds.
const (
	defaultOpenTimeout = 10 * time.Second
	defaultKeepAlive   = 15 * time.Second
	defaultRetry       = 100 * time.Millisecond
	defaultSlowest     = 10 * time.Second
	minRetry           = 10 * time.Millisecond
	minKeepAlive       = time.Second
	maxTimeout         = time.Hour
	minBuffer          = 4 << 10
)

// settings reads and checks an encoded abi.TCPOpen.
func (g *Group) settings(args []byte) (*settings, error) {
	s := &settings{}
	a := &s.args
	if err := a.Decode(bytes.Clone(args)); err != nil { // the delimiter is kept
		return nil, fault.Wrap(fault.Invalid, err, "tcp.open: the request cannot be read")
	}
	address, err := egress.Endpoint(a.Address)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "tcp.open: the address %q", fault.Clip(a.Address, 256)).
			WithFields(fault.Field{Pointer: "/address", Detail: err.Error()})
	}
	a.Address = address
	if s.buffer, err = g.bufferOf(a.BufferBytes); err != nil {
		return nil, err
	}
	if s.framing, err = framing.Normal(a.Framing, uint32(s.buffer/2)); err != nil {
		return nil, fault.Wrap(fault.Of(err).Kind, err, "tcp.open")
	}
	if t := a.TLS; t != nil && (t.Certificate == "") != (t.Key == "") {
		return nil, fault.New(fault.Invalid, "tcp.open: a certificate and its key go together")
	}
	s.times()
	s.canonical()
	return s, nil
}

func (g *Group) bufferOf(asked uint64) (int, error) {
	switch {
	case asked == 0:
		return g.cfg.Bytes, nil
	case asked < minBuffer || asked > uint64(g.cfg.Bytes):
		return 0, fault.New(fault.Invalid, "tcp.open: buffer_bytes is %d: want %d to %d", asked, minBuffer, g.cfg.Bytes).
			WithFields(fault.Field{Pointer: "/buffer_bytes", Detail: "out of range"})
	}
	return int(asked), nil //nolint:gosec // bounded above
}

func (s *settings) times() {
	a := &s.args
	s.openTimeout = within(a.OpenTimeoutMS, defaultOpenTimeout, 0)
	s.writeTimeout = within(a.WriteTimeoutMS, 0, 0)
	s.idle = within(a.IdleTimeoutMS, 0, 0)
	s.keepAlive = within(a.KeepAliveMS, defaultKeepAlive, minKeepAlive)
	s.retry = within(a.RetryMS, defaultRetry, minRetry)
	s.slow = max(within(a.MaxRetryMS, defaultSlowest, minRetry), s.retry)
}

// within is a time in milliseconds between least and an hour; 0: the default.
func within(ms uint64, unset, least time.Duration) time.Duration {
	if ms == 0 {
		return unset
	}
	return max(time.Duration(min(ms, uint64(maxTimeout.Milliseconds())))*time.Millisecond, least) //nolint:gosec // at most an hour
}

// canonical makes the key: how long somebody waits for a session, and whether he
// does, makes it no other.
func (s *settings) canonical() {
	c := s.args
	c.OpenTimeoutMS, c.Background = 0, false
	c.Framing = &s.framing
	c.WriteTimeoutMS, c.IdleTimeoutMS = milliseconds(s.writeTimeout), milliseconds(s.idle)
	c.KeepAliveMS, c.RetryMS, c.MaxRetryMS = milliseconds(s.keepAlive), milliseconds(s.retry), milliseconds(s.slow)
	c.BufferBytes = uint64(s.buffer)
	s.key = string(c.Append(nil))
}

func milliseconds(d time.Duration) uint64 { return uint64(d.Milliseconds()) }
