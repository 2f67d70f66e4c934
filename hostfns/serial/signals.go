package serial

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

const (
	defaultBreak = 250 * time.Millisecond
	longestBreak = 5 * time.Second
)

// callSignals serves signals, set_signals and break.
func (s *Session) callSignals(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	what, err := signalling(function, in)
	if err != nil {
		return nil, err
	}
	var signals abi.SerialSignals
	err = s.use(ctx, function, func(ctx context.Context, dev device) (err error) {
		signals, err = what(ctx, dev)
		return err
	})
	if err != nil {
		return nil, err
	}
	return signals.Append(out[:0]), nil
}

// signalling is what a request asks of a device.
func signalling(function string, in []byte) (func(context.Context, device) (abi.SerialSignals, error), error) {
	var none abi.SerialSignals
	unreadable := func(err error) error {
		return fault.Wrap(fault.Invalid, err, "serial.%s: the request cannot be read", function)
	}
	switch function {
	case functionSetSignals:
		var q abi.SerialSignal
		if err := q.Decode(in); err != nil {
			return nil, unreadable(err)
		}
		return func(_ context.Context, dev device) (abi.SerialSignals, error) {
			return none, dev.SetSignals(q.DTR, q.RTS)
		}, nil
	case functionBreak:
		var q abi.SerialBreak
		if err := q.Decode(in); err != nil {
			return nil, unreadable(err)
		}
		d := defaultBreak
		if q.DurationMS > 0 {
			d = time.Duration(min(q.DurationMS, uint64(longestBreak.Milliseconds()))) * time.Millisecond //nolint:gosec // bounded
		}
		return func(ctx context.Context, dev device) (abi.SerialSignals, error) { return none, dev.Break(ctx, d) }, nil
	}
	var q abi.Handle
	if err := q.Decode(in); err != nil {
		return nil, unreadable(err)
	}
	return func(_ context.Context, dev device) (abi.SerialSignals, error) { return dev.Signals() }, nil
}
