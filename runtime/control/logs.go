package control

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// Logs starts reading a connector's log behind a sequence; 0: at the oldest
// line that is kept.
func (t *Tenant) Logs(ctx context.Context, idOrName string, after uint64) (*Logs, error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, err
	}
	v, err := t.Connector(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	return &Logs{t.runtime.Journal(v.ID), after}, nil
}

// Logs reads log lines. It is used by one goroutine.
type Logs struct {
	journal *supervisor.Journal
	after   uint64
}

// Next waits for the next line.
func (l *Logs) Next(ctx context.Context) (LogLine, error) {
	line, err := l.journal.Next(ctx, l.after)
	if err != nil {
		return LogLine{}, err
	}
	l.after = line.Sequence
	return LogLine{
		Sequence: line.Sequence, Time: line.Time.UTC(), Level: levelName(line.Level),
		Source: line.Source, Target: line.Target, Text: line.Text,
	}, nil
}

// Pending reports whether Next would return at once.
func (l *Logs) Pending() bool { return l.journal.Has(l.after) }

// Close ends the reading.
func (l *Logs) Close() error { return nil }

func levelName(l abi.LogLevel) string {
	switch l {
	case abi.LogDebug:
		return "debug"
	case abi.LogInfo:
		return "info"
	case abi.LogWarning:
		return "warning"
	case abi.LogError:
		return "error"
	case abi.LogCritical:
	}
	return "critical"
}
