package catalog

import (
	"maps"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// What the admissions of one tenant may cost: a share of a processor in the
// long run, and beyond it what the tenant has not used for a while. That is 150
// modules of Go in a row, or 30 that reach the compiler's limit, and then seven
// or one and a half a minute. A compilation that keeps another tenant waiting
// costs all the time that it does.
const (
	admissionShare = 0.25
	admissionSaved = 5 * time.Minute // of processor time
)

// costs holds the tenants to what their admissions may cost, whether the module
// is kept or refused. Guests have a budget of their own: that a module is
// compiled does not hold them up.
//
// What a tenant has used is one moment: when all of it will have come in.
type costs struct {
	saved time.Duration // what a tenant can save up

	mu   sync.Mutex
	paid map[string]time.Time // by tenant
}

// allow refuses a tenant that has used up what it may, until there is some more.
func (c *costs) allow(tenant string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	paid, owes := c.paid[tenant]
	wait := paid.Sub(now) - comesIn(c.saved)
	if !owes || wait <= 0 {
		return nil
	}
	wait = max(wait, time.Second) // what comes in sooner is not worth asking for
	return fault.New(fault.RateLimited, "checking and compiling the tenant's modules has used more than the %v of processor time that it may, or kept others waiting for as long, and %v more come in each minute",
		c.saved, time.Duration(admissionShare*float64(time.Minute))).WithRetryAfter(wait).
		WithHint("Wait for as long as Retry-After says, and then upload one module after the other.")
}

// charge adds what an admission has cost, which is known when it is over.
func (c *costs) charge(tenant string, now time.Time, cpu time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.paid, func(_ string, paid time.Time) bool { return !paid.After(now) })
	if cpu <= 0 {
		return
	}
	from, owes := c.paid[tenant]
	if !owes {
		from = now
	}
	c.paid[tenant] = from.Add(comesIn(cpu))
}

// comesIn is the time in which so much processor time comes in.
func comesIn(cpu time.Duration) time.Duration {
	return time.Duration(float64(cpu) / admissionShare)
}
