package identity

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// How failed logins are slowed down. Nobody is ever locked out: what is slowed
// down is an account for networks that it was never used from, a network, and
// an account for a network that it was used from, each by itself. So a stranger
// who tries somebody's name delays themselves, and not its owner.
const (
	freeFailures = 4           // of one key, before the first delay
	firstDelay   = time.Second // doubled with each failure
	longestDelay = time.Minute // 9 attempts in the first minute, then one each
	forgetAfter  = 15 * time.Minute
	// maxDelays bounds the keys that are remembered.
	maxDelays = 8192
	// looked is how many passwords are looked at in a second, in the long run,
	// and lookedAtOnce how many at once: of one account from where it was used
	// before, and of all strangers of one wide network (see wideOf).
	looked       = 2.0
	lookedAtOnce = 8.0
)

// delays remembers who failed to log in lately, in bounded space.
type delays struct {
	mu   sync.Mutex
	keys map[delayKey]*failures
}

// delayKey is a digest of what is slowed down, so that long names take no room.
type delayKey [16]byte

type failures struct {
	count       int
	last, until time.Time
	purse       budget
}

// budget is a token bucket of looks at passwords.
type budget struct {
	left   float64
	filled time.Time
}

func newDelays() *delays {
	return &delays{keys: map[delayKey]*failures{}}
}

func keyFor(kind, text string) delayKey {
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	return delayKey(sum[:16])
}

// attempt is a login under way, counted as failed until it succeeds: many at
// once get no further than one after the other.
type attempt struct {
	of     *delays
	keys   []delayKey
	shared delayKey // whose purse others spend from, too; zero: nobody else does
}

// begin lets an attempt through, or says how long to wait (fault.LoginDelayed).
// An attempt that is not let through changes nothing. known says that the
// account was used from this network before.
//
// Nothing here is everybody's: what one spends is missing to the same account
// in the same network, or to strangers of the same wide network.
func (d *delays) begin(now time.Time, account string, from netip.Prefix, known bool) (*attempt, error) {
	purse := keyFor("known", account+"\x00"+from.String())
	a := &attempt{of: d, keys: []delayKey{purse}}
	if !known {
		purse = keyFor("wide", wideOf(from).String())
		a.keys, a.shared = []delayKey{keyFor("account", account), keyFor("network", from.String())}, purse
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range a.keys {
		if f := d.keys[k]; f != nil && now.Before(f.until) {
			return nil, delayed(f.until.Sub(now))
		}
	}
	if !d.at(now, purse).purse.spend(now) {
		return nil, delayed(time.Second)
	}
	for _, k := range a.keys {
		f := d.at(now, k)
		f.count++
		f.until = now.Add(delayAfter(f.count))
	}
	if !known {
		d.at(now, purse).count++ // so that it is not the first to be forgotten
	}
	return a, nil
}

func delayed(wait time.Duration) error {
	wait = max(wait.Truncate(time.Second)+time.Second, time.Second)
	return fault.New(fault.LoginDelayed, "there were too many failed attempts: wait %s", wait).WithRetryAfter(wait)
}

// at is what is remembered of a key, which is about now. The caller holds mu.
func (d *delays) at(now time.Time, k delayKey) *failures {
	f := d.keys[k]
	if f == nil {
		if len(d.keys) >= maxDelays {
			d.evict(now)
		}
		f = &failures{}
		d.keys[k] = f
	}
	if now.Sub(f.last) > forgetAfter {
		*f = failures{purse: budget{left: lookedAtOnce}}
	}
	f.last = now
	return f
}

// delayAfter is how long to wait after so many failures.
func delayAfter(count int) time.Duration {
	if count < freeFailures {
		return 0
	}
	return min(firstDelay<<min(count-freeFailures, 16), longestDelay)
}

// evict makes room: of a few keys, the one with the fewest failures goes, so
// that a flood of new ones does not wash out those that fail again and again.
// The caller holds mu.
func (d *delays) evict(now time.Time) {
	const look = 16
	var least delayKey
	seen, fewest := 0, 0
	for k, f := range d.keys { // in random order
		count := f.count
		if now.Sub(f.last) > forgetAfter {
			count = 0
		}
		if seen == 0 || count < fewest {
			least, fewest = k, count
		}
		if seen++; seen == look || fewest == 0 {
			break
		}
	}
	delete(d.keys, least)
}

// succeeded takes the attempt back: it was none of those that are counted, and
// what it took of others is given back. What it took of its own account is not:
// the work was done.
func (a *attempt) succeeded() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	for _, k := range a.keys {
		if f := a.of.keys[k]; f != nil {
			f.count, f.until = max(0, f.count-1), time.Time{}
		}
	}
	if f := a.of.keys[a.shared]; f != nil {
		f.count, f.purse.left = max(0, f.count-1), min(lookedAtOnce, f.purse.left+1)
	}
}

func (b *budget) spend(now time.Time) bool {
	if !b.filled.IsZero() {
		b.left = min(lookedAtOnce, b.left+looked*now.Sub(b.filled).Seconds())
	}
	b.filled = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// networkOf is the network that an address stands for: a /24, or a /64.
func networkOf(from netip.Addr) netip.Prefix { return within(from, 24) }

// ClientOf is whom an address counts as where each client has a share of what
// the server has once: itself, or a /64, of which one client has every address.
func ClientOf(from netip.Addr) netip.Prefix { return within(from, 32) }

// within is the network of an address: of so many bits, or a /64.
func within(from netip.Addr, bits int) netip.Prefix {
	from = from.Unmap().WithZone("")
	if !from.Is4() {
		bits = 64
	}
	p, err := from.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address at all: all of those share one
	}
	return p
}

// wideOf is what one owner may have of networks: a /16, or a /48.
func wideOf(from netip.Prefix) netip.Prefix {
	bits := 48
	if from.Addr().Is4() {
		bits = 16
	}
	p, err := from.Addr().Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
