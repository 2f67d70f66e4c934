package outbox

import "time"

// Stats are the numbers of a log. Those that count do so from Open on.
type Stats struct {
	Head, First uint64 // see the methods
	Segments    int
	Bytes       int64 // of all segments
	OpenFiles   int   // segments that are open at the moment
	Queued      int64 // bytes that wait to be committed
	UnderWay    int   // blocks that were begun and have not ended: those that wait, and those that are being written

	Appends  uint64        // blocks committed
	Appended int64         // bytes of those, as stored
	Groups   uint64        // commits; each one is one sync
	SyncSum  time.Duration // spent in them
	SyncMax  time.Duration
	SyncHist [len(syncBounds{}) + 1]uint64 // by SyncBounds; the last one: longer

	Full   uint64 // commits refused or undone because the disk is full
	Failed bool   // the log takes no more blocks until it is opened again

	Deleted uint64 // segments deleted by retention
	Overrun uint64 // of those: although a named reader still needed it

	Gaps     uint64 // gaps handed to readers
	TornTail int64  // bytes of an unfinished last write that Open cut off
	Alarms   uint64 // losses and failures reported to Config.Log
}

type syncBounds [8]time.Duration

// SyncBounds are the upper bounds of the classes of Stats.SyncHist.
func SyncBounds() [8]time.Duration {
	const ms = time.Millisecond
	return [8]time.Duration{ms / 4, ms, 2 * ms, 5 * ms, 10 * ms, 50 * ms, 250 * ms, 1000 * ms}
}

// synced counts one commit.
func (s *Stats) synced(blocks int, bytes int64, took time.Duration) {
	s.Groups++
	s.Appends += uint64(blocks)
	s.Appended += bytes
	s.SyncSum += took
	s.SyncMax = max(s.SyncMax, took)
	class := 0
	for bounds := SyncBounds(); class < len(bounds) && took > bounds[class]; {
		class++
	}
	s.SyncHist[class]++
}

// Stats are the log's numbers.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Head, s.First, s.Segments = l.head, l.firstLocked(), len(l.segs)
	s.Queued, s.UnderWay, s.Failed = l.queued, len(l.queue)+len(l.writing), l.failed != nil
	for _, seg := range l.segs {
		s.Bytes += seg.durable
		if seg.f != nil {
			s.OpenFiles++
		}
	}
	return s
}
