package twin

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// TestAbuse49BadValuesAndTimes: whatever a device says, what is shown of it is
// JSON, what is no number is not good, and the latest reading is the one that is
// last by time and then by place in the log.
func TestAbuse49BadValuesAndTimes(t *testing.T) {
	const good, bad = true, false
	received := time.Now().Add(-time.Minute)
	at := func(d time.Duration) int64 { return received.Add(d).UnixNano() }
	before := abi.Point{Name: "t", Value: abi.Int(1), SourceTime: at(-time.Second)}
	for _, c := range []struct {
		name  string
		point abi.Point
		want  string // the latest value then; "1": the one before stays
		good  bool
		shown int64 // the time of it
	}{
		{"NaN", abi.Point{Value: abi.Double(math.NaN()), SourceTime: at(0)}, `"NaN"`, bad, at(0)},
		{"infinity", abi.Point{Value: abi.Double(math.Inf(1)), SourceTime: at(0)}, `"+Inf"`, bad, at(0)},
		{"minus infinity", abi.Point{Value: abi.Double(math.Inf(-1)), SourceTime: at(0)}, `"-Inf"`, bad, at(0)},
		{"NaN that says what it is", abi.Point{Value: abi.Double(math.NaN()), Quality: 0x80000000, SourceTime: at(0)}, `"NaN"`, bad, at(0)},
		{"2^64", abi.Point{Value: abi.Double(1 << 64), SourceTime: at(0)}, "18446744073709552000", good, at(0)},
		{"2^64-1", abi.Point{Value: abi.Uint(math.MaxUint64), SourceTime: at(0)}, "18446744073709551615", good, at(0)},
		{"-2^63", abi.Point{Value: abi.Int(math.MinInt64), SourceTime: at(0)}, "-9223372036854775808", good, at(0)},
		{"greatest", abi.Point{Value: abi.Double(math.MaxFloat64), SourceTime: at(0)}, "1.7976931348623157e+308", good, at(0)},
		{"no UTF-8", abi.Point{Value: abi.String("\xff"), SourceTime: at(0)}, "1", good, before.SourceTime}, // it cannot be read
		{"odd text", abi.Point{Value: abi.String("\x00\u2028\""), SourceTime: at(0)}, `"\u0000\u2028\""`, good, at(0)},
		{"bytes", abi.Point{Value: abi.Bytes([]byte{0xff}), SourceTime: at(0)}, `{"base64":"/w=="}`, good, at(0)},

		{"1970", abi.Point{Value: abi.Int(2), SourceTime: 5}, "2", good, at(0)},
		{"before 1970", abi.Point{Value: abi.Int(2), SourceTime: math.MinInt64}, "2", good, at(0)},
		{"2000, and a clock without a battery", abi.Point{Value: abi.Int(2), SourceTime: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()}, "2", good, at(0)},
		{"ten years ahead", abi.Point{Value: abi.Int(2), SourceTime: at(10 * 365 * 24 * time.Hour)}, "2", good, at(0)},
		{"the end of time", abi.Point{Value: abi.Int(2), SourceTime: math.MaxInt64}, "2", good, at(0)},
		{"the same time, later in the log", abi.Point{Value: abi.Int(2), SourceTime: before.SourceTime}, "2", good, before.SourceTime},
		{"twice", abi.Point{Value: abi.Int(1), SourceTime: before.SourceTime}, "1", good, before.SourceTime},
		{"out of order", abi.Point{Value: abi.Int(2), SourceTime: before.SourceTime - 1}, "1", good, before.SourceTime},
		{"no time", abi.Point{Value: abi.Int(2)}, "2", good, at(0)}, // the record has none either
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Limits{})
			c.point.Name = "t"
			r.emit(outbox.Block{Received: at(-time.Second)}, abi.Record{Device: "d", Points: []abi.Point{before}})
			r.emit(outbox.Block{Received: at(0)}, abi.Record{Device: "d", Points: []abi.Point{c.point}})
			look := func(when string) {
				t.Helper()
				got := r.of("d").Telemetry["t"]
				if string(got.Raw()) != c.want || got.Good() != c.good || got.At().UnixNano() != c.shown {
					t.Errorf("%s: %s, good %t, at %s (%d); want %s, %t, %d", when, got.Raw(), got.Good(), got.At(), got.At().UnixNano(), c.want, c.good, c.shown)
				}
				if !json.Valid(got.Raw()) {
					t.Errorf("%s: %s is no JSON", when, got.Raw())
				}
			}
			look("at once")
			// What comes afterwards as it should is the latest then, whatever this was.
			r.emit(outbox.Block{Received: at(time.Second)}, abi.Record{Device: "d", Points: []abi.Point{{Name: "t", Value: abi.Int(3), SourceTime: at(time.Second)}}})
			if got := r.of("d").Telemetry["t"]; string(got.Raw()) != "3" {
				t.Errorf("the next reading does not get through: %s stays", got.Raw())
			}
		})
	}
}

// TestAbuse49ClockThatStartsAnew: the readings of a device whose clock begins at
// 1970 with each start are never behind those of its last start.
func TestAbuse49ClockThatStartsAnew(t *testing.T) {
	r := newRig(t, Limits{})
	now := time.Now().Add(-time.Hour).UnixNano()
	for i, uptime := range []time.Duration{time.Hour, 2 * time.Hour, time.Second} {
		r.emit(outbox.Block{Received: now + int64(i)}, abi.Record{Device: "d", Time: int64(uptime), Points: []abi.Point{{Name: "t", Value: abi.Int(int64(i))}}})
	}
	if got := r.of("d").Telemetry["t"]; string(got.Raw()) != "2" {
		t.Errorf("%s stays", got.Raw())
	}
}
