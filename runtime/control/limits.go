package control

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// limitCheck collects what is wrong with limits: outside of the hard range, or
// above the tenant's ceiling.
type limitCheck struct {
	ceiling spec.Ceiling
	wrong   func(pointer, format string, args ...any)
	above   func(pointer, format string, args ...any)
}

// check looks at the limits that stand at a place of the input.
func (c *limitCheck) check(at string, l *spec.Limits) {
	if reflect.ValueOf(l).Elem().IsZero() {
		return // all of them are the defaults
	}
	for _, d := range spec.LimitTable() {
		if v := d.Of(l); v != 0 {
			c.one(at+"/"+d.Name, d, v)
		}
		if d.Name == spec.LimitCall {
			c.timeouts(at+"/timeouts", d, l.Timeouts)
		}
	}
}

func (c *limitCheck) timeouts(at string, d spec.Limit, timeouts map[string]spec.Duration) {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for _, entry := range slices.Sorted(maps.Keys(timeouts)) {
		pointer := at + "/" + escape.Replace(fault.Clip(entry, maxName))
		if !slices.Contains(spec.TimedEntries(), entry) {
			c.wrong(pointer, "is no entry point with a time of its own: they are %s", strings.Join(spec.TimedEntries(), ", "))
			continue
		}
		c.one(pointer, d, time.Duration(timeouts[entry]).Seconds())
	}
}

func (c *limitCheck) one(pointer string, d spec.Limit, v float64) {
	most := c.ceiling.Most(d)
	switch {
	case v < d.Min || v > d.Max:
		c.wrong(pointer, "is %s to %s", amount(d, d.Min), amount(d, d.Max))
	case v > most:
		c.above(pointer, "is at most %s for this tenant", amount(d, most))
	}
}

// amount is a limit as it is written in a connector's spec.
func amount(d spec.Limit, v float64) string {
	if d.Unit == spec.Seconds {
		return time.Duration(v * float64(time.Second)).String()
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// aboveCeiling is the fault of limits that the tenant may not give.
func aboveCeiling(above []fault.Field) error {
	if len(above) == 0 {
		return nil
	}
	return fault.New(fault.AboveCeiling, "above the tenant's ceiling: %s", summary(above)).WithFields(above...)
}

// Limits are the tenant's ceiling and what it uses now.
func (t *Tenant) Limits(ctx context.Context) (lifecycle.TenantLimits, error) {
	if err := t.may(ctx, identity.Limits, identity.Read); err != nil {
		return lifecycle.TenantLimits{}, err
	}
	return t.runtime.Limits(), nil
}
