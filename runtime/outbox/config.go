package outbox

import (
	"log/slog"
	"time"
)

// Config says how a log is kept. The zero value is usable: each field that is
// zero has the default that its comment names.
type Config struct {
	// SegmentBytes bounds the blocks of one segment file, in bytes as stored;
	// a block that would exceed it opens the next segment. A single block
	// larger than this gets a segment of its own. Default 64 MiB.
	SegmentBytes int64

	// MaxBytes bounds the closed segments together, in bytes. Beyond it the
	// oldest is deleted even when a named reader still needs it, and that
	// reader gets a Gap. Default 1 GiB; negative: no bound.
	MaxBytes int64

	// MaxAge bounds the age of a closed segment, counted from its last write,
	// in the same way. Default 7 days; negative: no bound.
	MaxAge time.Duration

	// Keep is how many bytes of closed segments are kept as history although
	// every named reader has passed them. Default 256 MiB; negative: none.
	// A log without named readers is bounded by MaxBytes and MaxAge alone.
	Keep int64

	// Reserve is how many bytes must stay free on the log's disk; an append
	// that would take of them fails with DiskFull. Default 256 MiB;
	// negative: none.
	Reserve int64

	// CursorEvery is the least time between two writes of the named readers'
	// positions. Default 1 s.
	CursorEvery time.Duration

	// Known is the highest sequence that is known elsewhere to have been
	// durable, such as the last block applied to the store. A log that ends
	// below it has lost blocks: that is an alarm, and their sequences are not
	// handed out again.
	Known uint64

	// Syncs bounds the fsyncs of all logs that share it. nil: no bound.
	Syncs *Syncs

	// Free reports the free bytes of the disk that holds dir. nil: ask the
	// operating system.
	Free func(dir string) (int64, error)

	// Log gets alarms: losses that no caller is there to hear of. nil: none.
	Log *slog.Logger

	disk disk // tests watch and break the file system here; nil: the real one
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	day = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	c.SegmentBytes = orDefault(c.SegmentBytes, 64*mib)
	c.MaxBytes = orDefault(c.MaxBytes, gib)
	c.MaxAge = orDefault(c.MaxAge, 7*day)
	c.Keep = orDefault(c.Keep, 256*mib)
	c.Reserve = orDefault(c.Reserve, 256*mib)
	c.CursorEvery = orDefault(c.CursorEvery, time.Second)
	if c.Free == nil {
		c.Free = freeBytes
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.disk == nil {
		c.disk = osDisk{}
	}
	return c
}

func orDefault[T ~int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}
