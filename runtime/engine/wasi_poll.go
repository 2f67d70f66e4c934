package engine

import (
	"encoding/binary"
	"math"

	"github.com/tetratelabs/wazero/api"
)

// The sizes of what poll_oneoff reads and writes, and what it accepts.
const (
	subscriptionSize = 48
	eventSize        = 32
	maxSubscriptions = 1024
)

// The types of subscriptions.
const (
	pollClock = iota
	pollRead
	pollWrite
)

// subscription is what a guest waits for.
type subscription []byte

func (s subscription) kind() byte { return s[8] }

// wait is how many ns a clock's subscription has to wait still.
func (s subscription) wait(c *clock) (ns int64, e errno) {
	timeout := binary.LittleEndian.Uint64(s[24:])
	now, ok := c.at(binary.LittleEndian.Uint32(s[16:]))
	if !ok {
		return 0, einval
	}
	ns = int64(min(timeout, math.MaxInt64))
	if absolute := binary.LittleEndian.Uint16(s[40:])&1 != 0; absolute {
		ns -= now
	}
	return max(ns, 0), esuccess
}

// ready says whether a descriptor's subscription is met: stdout and stderr can
// be written to, all else is no descriptor.
func (s subscription) ready() errno {
	if fd := binary.LittleEndian.Uint32(s[16:]); s.kind() == pollWrite && (fd == 1 || fd == 2) {
		return esuccess
	}
	return ebadf
}

// pollOneoff (subscriptions, events, count, result) waits for the first of the
// subscriptions, and answers all that are met then.
func pollOneoff(i *Instance, p []uint64) errno {
	n := api.DecodeU32(p[2])
	if n == 0 || n > maxSubscriptions {
		return einval
	}
	in, okIn := i.memory.at(api.DecodeU32(p[0]), n*subscriptionSize)
	out, okOut := i.memory.at(api.DecodeU32(p[1]), n*eventSize)
	if !okIn || !okOut {
		return efault
	}
	if e := i.put32(p[3], 0); e != esuccess {
		return e
	}
	wait, e := i.shortest(in)
	if e != esuccess {
		return e
	}
	if wait > 0 {
		i.sleep(wait)
	}
	// Waits are counted from before the sleep.
	var events uint32
	for ; len(in) > 0; in = in[subscriptionSize:] {
		s := subscription(in[:subscriptionSize])
		met, e := true, s.ready
		if s.kind() == pollClock {
			left, bad := s.wait(&i.wasi.clock)
			relative := binary.LittleEndian.Uint16(s[40:])&1 == 0
			met = bad != esuccess || left == 0 || relative && left <= wait
			e = func() errno { return bad }
		}
		if met {
			writeEvent(out[events*eventSize:], s, e())
			events++
		}
	}
	return i.put32(p[3], events)
}

// shortest is how long to wait for the first subscription, in ns.
func (i *Instance) shortest(in []byte) (int64, errno) {
	wait := int64(math.MaxInt64)
	for ; len(in) > 0; in = in[subscriptionSize:] {
		s := subscription(in[:subscriptionSize])
		switch s.kind() {
		case pollClock:
			ns, e := s.wait(&i.wasi.clock)
			if e != esuccess {
				ns = 0
			}
			wait = min(wait, ns)
		case pollRead, pollWrite:
			wait = 0
		default:
			return 0, einval
		}
	}
	return wait, esuccess
}

func writeEvent(out []byte, s subscription, e errno) {
	user, kind := binary.LittleEndian.Uint64(s), s.kind() // out may lie over s
	clear(out[:eventSize])
	binary.LittleEndian.PutUint64(out, user)
	binary.LittleEndian.PutUint16(out[8:], uint16(e))
	out[10] = kind
}
