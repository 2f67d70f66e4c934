package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Duration is a time.Duration that reads and writes as "1.5s" in JSON, and
// also reads a number of seconds.
type Duration time.Duration

// MarshalJSON writes the Go form of a duration.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads "1.5s" or a number of seconds.
func (d *Duration) UnmarshalJSON(src []byte) error {
	var seconds float64
	if json.Unmarshal(src, &seconds) == nil {
		ns := math.Round(seconds * float64(time.Second))
		if math.Abs(ns) >= math.MaxInt64 {
			return fmt.Errorf("duration: %g seconds are beyond what it can hold", seconds)
		}
		*d = Duration(ns)
		return nil
	}
	var text string
	if err := json.Unmarshal(src, &text); err != nil {
		return errors.New("duration: want \"1.5s\" or a number of seconds")
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("duration %q: want a form such as 1.5s or 2m", text)
	}
	*d = Duration(v)
	return nil
}

// Or is d, or the default when d is not positive.
func (d Duration) Or(def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return time.Duration(d)
}
