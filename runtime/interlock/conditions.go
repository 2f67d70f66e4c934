package interlock

import (
	"fmt"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
)

// defaultAge is how old a required reading may be.
const defaultAge = time.Minute

// conditions are what has to hold beside the values. The lock is held.
func (i *Interlocks) conditions(a Ask, lock *spec.Interlock) *refused {
	if !open(lock, a.Now) {
		return &refused{text: "the interlock lets nothing be written outside of " + strings.Join(lock.Hours, ", "), near: nearRest}
	}
	for n := range lock.Requires {
		if text := i.missing(a, &lock.Requires[n]); text != "" {
			return &refused{text: text, near: nearRest}
		}
	}
	return nil
}

// missing says what is wrong with a required reading; "": nothing.
func (i *Interlocks) missing(a Ask, r *spec.Requirement) string {
	device := r.Device
	if device == "" {
		device = a.Message.Device
	}
	of := strings.TrimPrefix(device+"/"+r.Tag, "/")
	is, ok := i.cfg.Readings.Latest(a.Connector.ID, device, r.Tag)
	switch age := a.Now.Sub(is.Time); {
	case !ok:
		return fmt.Sprintf("the interlock needs a reading of %s, and there is none", of)
	case !is.Good:
		return fmt.Sprintf("the interlock needs a good reading of %s, and the last one was not", of)
	case age > r.MaxAge.Or(defaultAge):
		return fmt.Sprintf("the interlock needs a reading of %s that is at most %s old, and the last one is of %s ago", of, r.MaxAge.Or(defaultAge), age.Round(time.Second))
	case (r.Min != nil || r.Max != nil) && !is.Numeric:
		return fmt.Sprintf("the interlock needs %s to be a number, and it is %.60q", of, is.Text)
	case r.Min != nil && is.Number < *r.Min:
		return fmt.Sprintf("the interlock needs %s to be at least %s, and it is %s", of, number(*r.Min), number(is.Number))
	case r.Max != nil && is.Number > *r.Max:
		return fmt.Sprintf("the interlock needs %s to be at most %s, and it is %s", of, number(*r.Max), number(is.Number))
	case r.Equals != "" && is.Text != r.Equals:
		return fmt.Sprintf("the interlock needs %s to be %s, and it is %.60q", of, r.Equals, is.Text)
	}
	return ""
}
