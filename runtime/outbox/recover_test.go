package outbox

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// closedLog is the directory of a log with n blocks in segments of this size.
func closedLog(t *testing.T, n int, segment int64) string {
	t.Helper()
	dir := t.TempDir()
	cfg := small()
	cfg.SegmentBytes = segment
	l := mustOpen(t, dir, cfg)
	fill(t, l, "a", n)
	mustClose(t, l)
	return dir
}

func lastOf(files []string) string { return files[len(files)-1] }

func openWatched(t *testing.T, dir string) (*Log, *alarms) {
	t.Helper()
	a := newAlarms()
	d := newTap()
	d.lazy = true // what is read counts here
	cfg := small()
	cfg.Log, cfg.disk = logger(a), d
	return mustOpen(t, dir, cfg), a
}

// What no intact record follows is the end of a write that nobody was told
// of: it is cut off, without an alarm, and its sequence is used again.
func TestATornTailIsCutOff(t *testing.T) {
	dir := closedLog(t, 10, gib)
	blocks := spots(t, lastOf(segmentFiles(t, dir)), kindBlock)
	ninth, tenth := blocks[8], blocks[9]
	garbage := bytes.Repeat([]byte{0xa5, 0x17, 0x00, 0xff}, kib)
	for name, c := range map[string]struct {
		tear func([]byte) []byte
		last uint64
	}{
		"cut in the payload":     {func(b []byte) []byte { return b[:len(b)-10] }, 9},
		"cut in the header":      {func(b []byte) []byte { return b[:tenth.off+7] }, 9},
		"cut between":            {func(b []byte) []byte { return b[:tenth.off] }, 9},
		"garbage behind":         {func(b []byte) []byte { return append(b, garbage...) }, 10},
		"zeros behind":           {func(b []byte) []byte { return append(b, make([]byte, 4*kib)...) }, 10},
		"zeros instead":          {func(b []byte) []byte { clear(b[tenth.off:]); return b }, 9},
		"garbage instead of two": {func(b []byte) []byte { return append(b[:ninth.off], garbage...) }, 8},
		"header behind":          {func(b []byte) []byte { return append(b, b[tenth.off:tenth.off+headerLen]...) }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, dir)
			damage(t, lastOf(segmentFiles(t, dir)), c.tear)
			l, alarms := openWatched(t, dir)
			if l.Head() != c.last || alarms.list() != nil {
				t.Fatalf("head %d, want %d; alarms %v", l.Head(), c.last, alarms.list())
			}
			if s, _ := l.State("a"); s.Next != c.last {
				t.Fatalf("state %+v, want next %d", s, c.last)
			}
			fill(t, l, "a", 3)
			if got := drain(t, l, 0); !slices.Equal(got.seqs, sequence(1, c.last+3)) || got.gaps != nil {
				t.Fatalf("blocks %v, gaps %v", got.seqs, got.gaps)
			}
			mustClose(t, l)
			l, _ = openWatched(t, dir)
			if got := drain(t, l, 0); !slices.Equal(got.seqs, sequence(1, c.last+3)) {
				t.Fatalf("opened again: blocks %v", got.seqs)
			}
		})
	}
}

// One flipped bit, anywhere in any segment, costs at most the record it is in,
// is told as a gap, and never gives a block with other content.
func TestABitFlipCostsOneBlock(t *testing.T) {
	dir := closedLog(t, 40, 3*kib)
	files := segmentFiles(t, dir)
	for i, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		blocks := spots(t, path, kindBlock)
		for off := int64(0); off < info.Size(); off += 11 {
			lost := uint64(0)
			for _, b := range blocks {
				if b.off <= off && off < b.end() {
					lost = b.seq
				}
			}
			last := i == len(files)-1
			if last && lost == 40 {
				continue // the next test's
			}
			dir := copyDir(t, dir)
			damage(t, filepath.Join(dir, filepath.Base(path)), func(b []byte) []byte { b[off] ^= 1 << (off % 8); return b })
			l, alarms := openWatched(t, dir)
			want, gaps := sequence(1, 40), []Gap(nil)
			if lost > 0 {
				want = slices.DeleteFunc(want, func(s uint64) bool { return s == lost })
				gaps = []Gap{{lost, lost, GapDamaged}}
			}
			if got := drain(t, l, 0); !slices.Equal(got.seqs, want) || !slices.Equal(got.gaps, gaps) {
				t.Fatalf("%s byte %d: blocks %v, gaps %v; want block %d lost", filepath.Base(path), off, got.seqs, got.gaps, lost)
			}
			if last && len(alarms.list()) == 0 {
				t.Fatalf("%s byte %d: no alarm", filepath.Base(path), off)
			}
			if lost > 0 {
				_, err := l.Read(lost)
				wantKind(t, err, fault.Integrity)
			}
			if s, _ := l.State("a"); s.Next != 40 || s.Last != 40 {
				t.Fatalf("%s byte %d: state %+v", filepath.Base(path), off, s)
			}
			fill(t, l, "a", 1)
			if l.Head() != 41 {
				t.Fatalf("head %d after one more", l.Head())
			}
			mustClose(t, l)
		}
	}
}

// A closed segment that was cut short costs what was cut, and nothing else.
func TestAShortClosedSegment(t *testing.T) {
	dir := closedLog(t, 40, 3*kib)
	path := segmentFiles(t, dir)[0]
	blocks := spots(t, path, kindBlock)
	for off := int64(0); off < blocks[len(blocks)-1].end(); off += 17 {
		kept := uint64(0)
		for _, b := range blocks {
			if b.end() <= off {
				kept = b.seq
			}
		}
		gap := Gap{kept + 1, blocks[len(blocks)-1].seq, GapDamaged}
		dir := copyDir(t, dir)
		if err := os.Truncate(filepath.Join(dir, filepath.Base(path)), off); err != nil {
			t.Fatal(err)
		}
		l, _ := openWatched(t, dir)
		got := drain(t, l, 0)
		if want := append(sequence(1, kept), sequence(gap.To+1, 40)...); !slices.Equal(got.seqs, want) || !slices.Equal(got.gaps, []Gap{gap}) {
			t.Fatalf("cut at %d: blocks %v, gaps %v; want %v", off, got.seqs, got.gaps, gap)
		}
		mustClose(t, l)
	}
}

// A damaged last block that is there in full length may have been
// acknowledged: its sequence is not used again, now or after another start.
func TestADamagedLastBlockKeepsItsSequence(t *testing.T) {
	dir := closedLog(t, 10, gib)
	damage(t, lastOf(segmentFiles(t, dir)), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	for range 3 {
		l, alarms := openWatched(t, dir)
		if len(alarms.list()) == 0 {
			t.Fatal("no alarm")
		}
		if l.Head() != 9 {
			t.Fatalf("head %d, want 9", l.Head())
		}
		mustClose(t, l)
	}
	l, _ := openWatched(t, dir)
	if seq := mustAppend(t, l, blockOf("a", 2, 0, 1)); seq != 11 {
		t.Fatalf("the next block got %d, want 11", seq)
	}
	mustClose(t, l)
	l, alarms := openWatched(t, dir)
	got := drain(t, l, 0)
	if !slices.Equal(got.seqs, append(sequence(1, 9), 11)) || !slices.Equal(got.gaps, []Gap{{10, 10, GapDamaged}}) {
		t.Fatalf("blocks %v, gaps %v", got.seqs, got.gaps)
	}
	if alarms.list() != nil {
		t.Errorf("alarms again: %v", alarms.list())
	}
}

// A log that ends below what others have seen of it has lost blocks.
func TestALogThatEndsTooEarly(t *testing.T) {
	cut := func(t *testing.T, dir string) {
		t.Helper()
		path := lastOf(segmentFiles(t, dir))
		sixth := spots(t, path, kindBlock)[5]
		damage(t, path, func(b []byte) []byte { return b[:sixth.off] })
	}
	check := func(t *testing.T, l *Log, alarms *alarms) {
		t.Helper()
		if l.Head() != 5 || !strings.Contains(strings.Join(alarms.list(), "\n"), "ends before") {
			t.Fatalf("head %d, alarms %v", l.Head(), alarms.list())
		}
		if seq := mustAppend(t, l, blockOf("a", 2, 0, 1)); seq != 9 {
			t.Fatalf("the next block got %d, want 9", seq)
		}
		if got := drain(t, l, 5); !slices.Equal(got.seqs, []uint64{5, 9}) || !slices.Equal(got.gaps, []Gap{{6, 8, GapDamaged}}) {
			t.Fatalf("blocks %v, gaps %v", got.seqs, got.gaps)
		}
	}
	t.Run("a cursor knows", func(t *testing.T) {
		dir := t.TempDir()
		l := mustOpen(t, dir, small())
		fill(t, l, "a", 10)
		for name, seq := range map[string]uint64{"sink": 8, "slow": 2} {
			if err := l.SetCursor(name, seq); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, l)
		cut(t, dir)
		l, alarms := openWatched(t, dir)
		check(t, l, alarms)
	})
	t.Run("the store knows", func(t *testing.T) {
		dir := closedLog(t, 10, gib)
		cut(t, dir)
		alarms := newAlarms()
		cfg := small()
		cfg.Known, cfg.Log = 8, logger(alarms)
		check(t, mustOpen(t, dir, cfg), alarms)
	})
}

func TestOpenReadsTheLastSegmentAlone(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	history(t, l)
	fill(t, l, "z", 200)
	mustClose(t, l)

	d := newTap()
	cfg := small()
	cfg.disk = d
	l = mustOpen(t, dir, cfg)
	files := segmentFiles(t, dir)
	if len(files) < 10 {
		t.Fatalf("%d segments; the test wants many", len(files))
	}
	if len(d.read) != 1 || d.read[lastOf(files)] == 0 {
		t.Errorf("read %v, want the last of %d segments alone", d.read, len(files))
	}
	got := l.Connectors()
	delete(got, "z")
	if want := historyStates(); !reflect.DeepEqual(got, want) {
		t.Errorf("states %+v, want %+v", got, want)
	}
	if s, _ := l.State("z"); s.Next != 200 {
		t.Errorf("state %+v, want next 200", s)
	}
}

func TestASnapshotMayHaveManyParts(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	for _, name := range []string{"a", "b", "c", "d"} {
		mustAppend(t, l, &Block{Connector: name, Epoch: 1, Cursor: bytes.Repeat([]byte(name), maxCursor)})
	}
	fill(t, l, "z", 1)
	want := l.Connectors()
	mustClose(t, l)
	if parts := spots(t, lastOf(segmentFiles(t, dir)), kindSnapshot); len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	l, alarms := openWatched(t, dir)
	if got := l.Connectors(); !reflect.DeepEqual(got, want) || alarms.list() != nil {
		t.Fatalf("states of %d connectors, want %d; alarms %v", len(got), len(want), alarms.list())
	}
}

// Without the last snapshot the states come from the one before, and the next
// block brings a new one.
func TestADamagedSnapshotIsMadeUpFor(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	history(t, l)
	fill(t, l, "z", 100)
	want := l.Connectors()
	mustClose(t, l)
	files := segmentFiles(t, dir)
	for _, path := range files[len(files)-3:] {
		damage(t, path, func(b []byte) []byte { b[headerLen+3] ^= 1; return b })
	}
	l, alarms := openWatched(t, dir)
	if got := l.Connectors(); !reflect.DeepEqual(got, want) || len(alarms.list()) != 2 {
		t.Fatalf("states %+v, want %+v; alarms %v", got, want, alarms.list())
	}
	fill(t, l, "z", 1)
	want = l.Connectors()
	mustClose(t, l)
	l, alarms = openWatched(t, dir)
	if got := l.Connectors(); !reflect.DeepEqual(got, want) || alarms.list() != nil {
		t.Fatalf("then states %+v, want %+v; alarms %v", got, want, alarms.list())
	}
}

func TestNoSnapshotLeft(t *testing.T) {
	dir := closedLog(t, 40, 2*kib)
	files := segmentFiles(t, dir)
	for _, path := range files {
		damage(t, path, func(b []byte) []byte { b[headerLen+1] ^= 1; return b })
	}
	l, alarms := openWatched(t, dir)
	if s, _ := l.State("a"); s.Next != 40 || len(alarms.list()) != 3 {
		t.Fatalf("state %+v, alarms %v", s, alarms.list())
	}
}

// A crash between the making of a file and its first sync leaves all kinds of
// beginnings.
func TestABegunSegmentIsDiscarded(t *testing.T) {
	dir := closedLog(t, 20, 2*kib)
	files := segmentFiles(t, dir)
	snap := spots(t, lastOf(files), kindSnapshot)[0]
	for name, rest := range map[string]int64{"empty": 0, "in the header": 5, "in the snapshot": snap.size - 1} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, dir)
			path := filepath.Join(dir, segmentName(21, 77))
			whole := appendSnapshot(nil, 77, 20, map[string]*State{"a": {Next: 20}})
			if err := os.WriteFile(path, whole[:min(rest, int64(len(whole)-1))], 0o600); err != nil {
				t.Fatal(err)
			}
			l, alarms := openWatched(t, dir)
			if s, _ := l.State("a"); s.Next != 20 || l.Head() != 20 || alarms.list() != nil {
				t.Fatalf("state %+v, head %d, alarms %v", s, l.Head(), alarms.list())
			}
			fill(t, l, "a", 2)
			if got := drain(t, l, 0); !slices.Equal(got.seqs, sequence(1, 22)) || got.gaps != nil {
				t.Fatalf("blocks %v, gaps %v", got.seqs, got.gaps)
			}
			mustClose(t, l)
			l, _ = openWatched(t, dir)
			if l.Head() != 22 {
				t.Fatalf("head %d, want 22", l.Head())
			}
		})
	}
}

func TestALostSegmentIsAGap(t *testing.T) {
	dir := closedLog(t, 40, 2*kib)
	files := segmentFiles(t, dir)
	first, _, _ := parseSegmentName(filepath.Base(files[1]))
	next, _, _ := parseSegmentName(filepath.Base(files[2]))
	check := func(l *Log) {
		t.Helper()
		got := drain(t, l, 0)
		if want := append(sequence(1, first-1), sequence(next, 40)...); !slices.Equal(got.seqs, want) ||
			!slices.Equal(got.gaps, []Gap{{first, next - 1, GapDamaged}}) {
			t.Fatalf("blocks %v, gaps %v; want %d to %d lost", got.seqs, got.gaps, first, next-1)
		}
	}
	l, _ := openWatched(t, dir)
	if err := os.Remove(files[1]); err != nil { // while the log is open
		t.Fatal(err)
	}
	check(l)
	mustClose(t, l)
	l, _ = openWatched(t, dir)
	check(l)
}

// A payload that looks like records is no way to bring in blocks, not even
// where the search for the next intact record comes through it.
func TestAPayloadCannotForgeABlock(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	forged := appendRecord(nil, 0, 2, append([]byte{byte(kindBlock)}, appendBlock(nil, blockOf("victim", 1, 0, 1))...))
	mustAppend(t, l, &Block{Connector: "a", Epoch: 1, Count: 1, Records: bytes.Repeat(forged, 5)})
	mustAppend(t, l, &Block{Connector: "a", Epoch: 1, First: 1})
	mustClose(t, l)
	path := lastOf(segmentFiles(t, dir))
	first := spots(t, path, kindBlock)[0]
	damage(t, path, func(b []byte) []byte { b[first.off] ^= 1; return b })
	l, _ = openWatched(t, dir)
	if _, ok := l.State("victim"); ok || l.Head() != 2 {
		t.Fatalf("the forged block was believed; head %d", l.Head())
	}
}

func TestAnUnreadableTailIsNotCutOff(t *testing.T) {
	dir := closedLog(t, 10, gib)
	path := lastOf(segmentFiles(t, dir))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := newTap()
	d.failing(func(o op) (int64, error) {
		if o.name == "read" {
			return 0, os.ErrDeadlineExceeded
		}
		return 0, nil
	})
	cfg := small()
	cfg.disk = d
	_, err = Open(dir, cfg)
	wantKind(t, err, fault.Integrity)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Fatalf("the file was changed: %v", err)
	}
	openWatched(t, dir)
}

func FuzzOpen(f *testing.F) {
	s := salt(5)
	seg := appendSnapshot(nil, s, 0, map[string]*State{"a": {Next: 1}})
	for i := range uint64(3) {
		seg = appendRecord(seg, s, i+1, appendBlock([]byte{byte(kindBlock)}, blockOf("a", 1, i, 1)))
	}
	f.Add(seg)
	f.Add(seg[:len(seg)-3])
	f.Add(append(slices.Clone(seg[:100]), seg...))
	f.Add(appendRecord(seg, s, 9, []byte{200}))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1, s)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		d := newTap()
		d.lazy = true
		cfg := small()
		cfg.disk = d
		l, err := Open(dir, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer mustClose(t, l)
		walk(t, l)
		mustAppend(t, l, &Block{Connector: "z", Epoch: 1 << 60})
		if b, err := l.Read(l.Head()); err != nil || b.Connector != "z" {
			t.Fatalf("the new block reads as %+v, %v", b, err)
		}
		walk(t, l)
	})
}

// walk reads all there is, whatever it is, and wants each sequence once.
func walk(t *testing.T, l *Log) {
	t.Helper()
	r := l.Reader(0)
	defer closeReader(t, r)
	for want := r.next; want <= l.Head(); {
		b, err := r.Next(t.Context())
		switch gap, _ := err.(*Gap); { //nolint:errorlint // exactly this
		case gap != nil && gap.From == want:
			want = gap.To + 1
		case err == nil && b.Seq == want:
			want++
		default:
			t.Fatalf("at %d: %+v, %v", want, b, err)
		}
	}
}
