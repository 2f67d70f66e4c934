package outbox

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// setCursor moves a named reader and makes it durable.
func setCursor(t *testing.T, l *Log, name string, seq uint64) {
	t.Helper()
	if err := errors.Join(l.SetCursor(name, seq), l.flushCursors()); err != nil {
		t.Fatal(err)
	}
}

// closedBytes are the bytes of all segments but the last.
func closedBytes(l *Log) (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seg := range l.segs[:len(l.segs)-1] {
		n += seg.durable
	}
	return n
}

func TestRetentionByBytes(t *testing.T) {
	dir := t.TempDir()
	cfg := small()
	cfg.MaxBytes = 10 * kib
	l := mustOpen(t, dir, cfg)
	r := l.Reader(0)
	defer closeReader(t, r)
	fill(t, l, "a", 5)
	for range 5 {
		if _, err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		fill(t, l, "a", 1)
	}
	l.Trim() // rotation trims after the acknowledgement
	if n := closedBytes(l); n > cfg.MaxBytes || n < cfg.MaxBytes/2 {
		t.Fatalf("%d closed bytes are kept, %d are allowed", n, cfg.MaxBytes)
	}
	if files := segmentFiles(t, dir); len(files) != l.Stats().Segments {
		t.Errorf("%d files, %d segments", len(files), l.Stats().Segments)
	}
	first := l.First()
	if first < 100 {
		t.Fatalf("first %d", first)
	}
	if got := drain(t, l, 0); !slices.Equal(got.seqs, sequence(first, 205)) || got.gaps != nil {
		t.Errorf("from the oldest: blocks %v, gaps %v", got.seqs, got.gaps)
	}
	if got := drain(t, l, 7); !slices.Equal(got.gaps, []Gap{{7, first - 1, GapRetention}}) || !slices.Equal(got.seqs, sequence(first, 205)) {
		t.Errorf("from block 7: blocks %v, gaps %v", got.seqs, got.gaps)
	}
	if l.Stats().Gaps != 1 {
		t.Errorf("%d gaps counted, want 1", l.Stats().Gaps)
	}
	_, err := l.Read(7)
	wantKind(t, err, fault.NotFound)
	// A reader that was overtaken finishes the segment that it is in.
	var gap *Gap
	for err = nil; err == nil; {
		_, err = r.Next(t.Context())
	}
	if !errors.As(err, &gap) || gap.To != first-1 || gap.Reason != GapRetention || gap.From < 6 || gap.From > 20 {
		t.Errorf("the overtaken reader got %v", err)
	}
	if b, err := r.Next(t.Context()); err != nil || b.Seq != first {
		t.Errorf("and then %+v, %v", b, err)
	}
	mustClose(t, l)
	l = mustOpen(t, dir, cfg)
	if l.First() != first || l.Head() != 205 {
		t.Errorf("opened again: %d to %d", l.First(), l.Head())
	}
	if s, _ := l.State("a"); s.Next != 205 {
		t.Errorf("state %+v", s)
	}
}

// What all named readers have passed goes, except for the history that Keep
// asks for; what one of them needs stays, up to the limits.
func TestRetentionByCursors(t *testing.T) {
	cfg := small()
	cfg.Keep = -1
	l := mustOpen(t, t.TempDir(), cfg)
	fill(t, l, "a", 100)
	l.Trim()
	if l.First() != 1 {
		t.Fatalf("first %d without a named reader, want 1", l.First())
	}
	setCursor(t, l, "fast", 100)
	setCursor(t, l, "slow", 50)
	l.Trim()
	if l.First() > 51 || l.First() < 30 {
		t.Fatalf("first %d with a reader at 50", l.First())
	}
	if err := l.SetCursor("slow", 100); err != nil {
		t.Fatal(err)
	}
	l.Trim()
	if l.First() > 51 {
		t.Fatalf("first %d: a position that a crash would undo let segments go", l.First())
	}
	setCursor(t, l, "slow", 100)
	l.Trim()
	if s := l.Stats(); s.Segments != 1 || s.Overrun != 0 || s.Deleted == 0 {
		t.Fatalf("stats %+v with all readers at the head", s)
	}
	fill(t, l, "a", 100)
	setCursor(t, l, "fast", 200)
	l.DropCursor("slow")
	l.Trim()
	if n := l.Stats().Segments; n != 1 {
		t.Fatalf("%d segments after the slow reader was dropped", n)
	}
}

func TestHistoryIsKept(t *testing.T) {
	cfg := small()
	cfg.Keep = 8 * kib
	l := mustOpen(t, t.TempDir(), cfg)
	fill(t, l, "a", 200)
	setCursor(t, l, "sink", 200)
	l.Trim()
	if n := closedBytes(l); n > 8*kib || n < 4*kib {
		t.Fatalf("%d bytes of history, want about 8 KiB", n)
	}
}

func TestTheLimitGoesBeforeACursor(t *testing.T) {
	cfg := small()
	cfg.MaxBytes = 10 * kib
	l := mustOpen(t, t.TempDir(), cfg)
	fill(t, l, "a", 10)
	setCursor(t, l, "sink", 5)
	fill(t, l, "a", 190)
	l.Trim()
	if s := l.Stats(); s.Overrun == 0 || closedBytes(l) > cfg.MaxBytes {
		t.Fatalf("stats %+v", s)
	}
	seq, _ := l.Cursor("sink")
	if got := drain(t, l, seq+1); !slices.Equal(got.gaps, []Gap{{6, l.First() - 1, GapRetention}}) {
		t.Fatalf("gaps %v", got.gaps)
	}
}

func TestRetentionByAge(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTap()
		d.lazy = true
		cfg := small()
		cfg.MaxAge, cfg.disk = 24*time.Hour, d
		l := mustOpen(t, dir, cfg)
		fill(t, l, "a", 50)
		<-time.After(23 * time.Hour)
		l.Trim()
		if l.First() != 1 {
			t.Fatalf("first %d after 23 hours", l.First())
		}
		before := l.Stats().Segments
		fill(t, l, "a", 1)
		if n := l.Stats().Segments; n != before+1 {
			t.Fatalf("%d segments, was %d: a segment that is 23 hours old goes on", n, before)
		}
		<-time.After(2 * time.Hour)
		l.Trim()
		if l.First() != 51 || l.Stats().Segments != 1 {
			t.Fatalf("first %d after 25 hours, %d segments", l.First(), l.Stats().Segments)
		}
	})
}

func TestAgeIsKnownAfterAStart(t *testing.T) {
	dir := closedLog(t, 60, 2*kib)
	old := time.Now().Add(-48 * time.Hour)
	files := segmentFiles(t, dir)
	for _, path := range files {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	cfg := small()
	cfg.MaxAge = 24 * time.Hour
	l := mustOpen(t, dir, cfg)
	if n := l.Stats().Segments; n != 1 || l.Head() != 60 {
		t.Fatalf("%d segments, head %d", n, l.Head())
	}
	fill(t, l, "a", 1)
	if s, _ := l.State("a"); s.Next != 61 {
		t.Fatalf("state %+v", s)
	}
}

func TestCursors(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	fill(t, l, "a", 10)
	if _, ok := l.Cursor("sink"); ok {
		t.Error("a reader that nobody named")
	}
	for _, seq := range []uint64{4, 9, 7} { // back again: a replay
		if err := l.SetCursor("sink", seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.SetCursor("stream", 2), l.SetCursor("gone", 1)); err != nil {
		t.Fatal(err)
	}
	l.DropCursor("gone")
	wantKind(t, l.SetCursor("sink", 11), fault.Internal)
	wantKind(t, l.SetCursor("", 1), fault.Internal)
	wantKind(t, l.SetCursor("\xff", 1), fault.Internal)
	mustClose(t, l)
	wantKind(t, l.SetCursor("sink", 1), fault.ShuttingDown)

	l = mustOpen(t, dir, small())
	for name, want := range map[string]uint64{"sink": 7, "stream": 2} {
		if got, ok := l.Cursor(name); got != want || !ok {
			t.Errorf("%s is at %d, %v; want %d", name, got, ok, want)
		}
	}
	if _, ok := l.Cursor("gone"); ok {
		t.Error("a dropped reader came back")
	}
}

func TestCursorsAreWrittenNowAndThen(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTap()
		d.lazy = true
		cfg := small()
		cfg.disk, cfg.CursorEvery = d, time.Minute
		l := mustOpen(t, dir, cfg)
		fill(t, l, "a", 100)
		d.keep = true
		for seq := range uint64(100) {
			if err := l.SetCursor("sink", seq+1); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		synctest.Wait()
		writes := 0
		for _, o := range d.ops {
			if o.name == "rename" {
				writes++
			}
		}
		if writes != 1 {
			t.Errorf("%d writes in 100 s, want 1", writes)
		}
		d.failing(failAll("rename", 0, os.ErrPermission))
		<-time.After(3 * time.Minute)
		synctest.Wait()
		d.failing(nil)
		if l.Stats().Alarms == 0 {
			t.Error("no alarm about cursors that cannot be written")
		}
		<-time.After(time.Minute)
		synctest.Wait()
		cursors, err := readCursors(dir)
		if err != nil || cursors["sink"] == nil || cursors["sink"].seq != 100 {
			t.Errorf("the file holds %v, %v", cursors, err)
		}
		if l.flush != nil {
			t.Error("a flush is planned though nothing has changed")
		}
	})
}

// No damage to the cursors' file keeps the log from opening, or gives a wrong
// position.
func TestDamagedCursors(t *testing.T) {
	dir := closedLog(t, 10, gib)
	l := mustOpen(t, dir, small())
	setCursor(t, l, "sink", 7)
	mustClose(t, l)
	for range 100 {
		dir := copyDir(t, dir)
		damage(t, filepath.Join(dir, cursorFile), func(b []byte) []byte {
			if rand.IntN(2) == 0 {
				return b[:rand.IntN(len(b))]
			}
			b[rand.IntN(len(b))] ^= 1 << rand.IntN(8)
			return b
		})
		l, alarms := openWatched(t, dir)
		if seq, ok := l.Cursor("sink"); ok {
			t.Fatalf("a damaged file gave position %d", seq)
		}
		if len(alarms.list()) != 1 {
			t.Fatalf("alarms %v", alarms.list())
		}
		mustClose(t, l)
	}
}
