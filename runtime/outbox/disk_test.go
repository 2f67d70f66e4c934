package outbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

func onTap(t *testing.T, cfg Config) (*Log, *tap, string) {
	t.Helper()
	d := newTap()
	cfg.disk = d
	dir := filepath.Join(t.TempDir(), "log")
	return mustOpen(t, dir, cfg), d, dir
}

// failAll lets each operation of a name fail.
func failAll(name string, n int64, err error) func(op) (int64, error) {
	return func(o op) (int64, error) {
		if o.name == name {
			return n, err
		}
		return 0, nil
	}
}

// A write that the disk has no room for leaves nothing behind, and the log
// goes on as soon as there is room, without being opened again.
func TestAFullDisk(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(op) (int64, error)
	}{
		"nothing written": {failAll("write", 0, syscall.ENOSPC)},
		"half written":    {failAll("write", 60, syscall.ENOSPC)},
		"quota":           {failAll("write", 60, syscall.EDQUOT)},
		"no new file": {func(o op) (int64, error) {
			if o.name == "open" && o.flag&os.O_CREATE != 0 || o.name == "write" {
				return 0, syscall.ENOSPC
			}
			return 0, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l, d, dir := onTap(t, small())
			for round := range 30 { // over some segments
				fill(t, l, "a", 1)
				d.failing(c.fail)
				_, err := l.Append(t.Context(), blockOf("a", 1, uint64(round)+1, 1))
				wantKind(t, err, fault.DiskFull)
				d.failing(nil)
			}
			if n := l.Stats().Full; n != 30 {
				t.Errorf("%d counted, want 30", n)
			}
			if got := drain(t, l, 0); !slices.Equal(got.seqs, sequence(1, 30)) || got.gaps != nil {
				t.Fatalf("blocks %v, gaps %v", got.seqs, got.gaps)
			}
			mustClose(t, l)
			l, alarms := openWatched(t, dir)
			if got := drain(t, l, 0); !slices.Equal(got.seqs, sequence(1, 30)) || l.Stats().TornTail != 0 || alarms.list() != nil {
				t.Fatalf("opened again: blocks %v, torn %d, alarms %v", got.seqs, l.Stats().TornTail, alarms.list())
			}
		})
	}
}

// What waits behind a block that failed was asked for on top of it.
func TestAFailureTakesTheQueueWithIt(t *testing.T) {
	l, d, _ := onTap(t, small())
	fill(t, l, "a", 1)
	writing, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d.failing(func(o op) (int64, error) {
		if o.name != "write" {
			return 0, nil
		}
		once.Do(func() { close(writing) })
		<-release
		return 0, syscall.ENOSPC
	})
	errs := make(chan error, 2)
	put := func(first uint64) {
		_, err := l.Append(t.Context(), blockOf("a", 1, first, 1))
		errs <- err
	}
	go put(1)
	<-writing
	go put(2)
	eventually(t, "the second append", func() bool { return l.Stats().Queued > 0 })
	close(release)
	wantKind(t, <-errs, fault.DiskFull)
	wantKind(t, <-errs, fault.DiskFull)
	d.failing(nil)
	fill(t, l, "a", 2)
}

// After a sync that failed nobody knows what is on the disk. Nothing more is
// written until the log is opened again, and then the blocks that were not
// acknowledged are not there.
func TestAFailedSyncEndsTheLog(t *testing.T) {
	for name, fail := range map[string]func(op) (int64, error){
		"of the file":       failAll("sync", 0, syscall.EIO),
		"of the file, full": failAll("sync", 0, syscall.ENOSPC),
		"of the directory":  failAll("syncdir", 0, syscall.EIO),
		"a write":           failAll("write", 50, syscall.EIO),
		"a truncation": func(o op) (int64, error) {
			switch o.name {
			case "write":
				return 50, syscall.ENOSPC
			case "truncate":
				return 0, syscall.EIO
			}
			return 0, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, d, dir := onTap(t, small())
			fill(t, l, "a", 20)
			if name == "of the directory" {
				l.mu.Lock()
				l.rotate = true // else it needs no sync
				l.mu.Unlock()
			}
			alarms := newAlarms()
			l.cfg.Log = logger(alarms)
			head := l.Head()
			d.failing(fail)
			_, err := l.Append(t.Context(), blockOf("a", 1, head, 1))
			wantKind(t, err, fault.LogFailed)
			d.failing(nil)
			_, err = l.Append(t.Context(), blockOf("a", 1, head, 1))
			wantKind(t, err, fault.LogFailed)
			if s := l.Stats(); !s.Failed || s.Head != head || len(alarms.list()) != 1 {
				t.Fatalf("stats %+v, alarms %v", s, alarms.list())
			}
			if got := drain(t, l, 0); len(got.seqs) != int(head) {
				t.Fatalf("%d blocks can be read, want %d", len(got.seqs), head)
			}
			mustClose(t, l)
			l, _ = openWatched(t, dir)
			if l.Head() != head {
				t.Fatalf("opened again, the head is %d, want %d", l.Head(), head)
			}
			fill(t, l, "a", 2)
		})
	}
}

// One sync commits a group, it comes before the acknowledgement, and in a new
// file the directory is synced in between.
func TestTheOrderOfSyncs(t *testing.T) {
	l, d, _ := onTap(t, small())
	d.keep = true
	for i := range uint64(40) {
		seq := mustAppend(t, l, blockOf("a", 1, i, 1))
		_, _ = d.note(op{name: "ack", seq: seq})
	}
	var unsynced, unnamed bool
	syncs, created := 0, 0
	for _, o := range d.ops {
		switch o.name {
		case "open":
			if o.flag&os.O_CREATE != 0 {
				unnamed = true
				created++
			}
		case "write":
			unsynced = true
		case "sync":
			unsynced = false
			syncs++
		case "syncdir":
			unnamed = false
		case "ack":
			if unsynced || unnamed {
				t.Fatalf("block %d was acknowledged before it was durable", o.seq)
			}
		}
	}
	if syncs != 40 || created < 3 {
		t.Errorf("%d syncs of files for 40 groups, %d segments", syncs, created)
	}
}

// A segment is full before the write that would exceed it; only a block that
// is larger than a segment makes one longer, and has it for itself.
func TestASegmentIsNotExceeded(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	next := uint64(0)
	for i := range 60 {
		n := 1 + i%9
		if i%20 == 10 {
			n = 50
		}
		mustAppend(t, l, blockOf("a", 1, next, n))
		next += uint64(n)
	}
	for _, path := range segmentFiles(t, dir) {
		blocks := spots(t, path, kindBlock)
		size := blocks[len(blocks)-1].end() - blocks[0].off
		if size > small().SegmentBytes && len(blocks) > 1 {
			t.Errorf("%s has %d blocks in %d bytes", filepath.Base(path), len(blocks), size)
		}
	}
}

// The cursors' file is replaced by steps that leave a whole one at any time.
func TestTheOrderOfACursorsWrite(t *testing.T) {
	l, d, dir := onTap(t, small())
	fill(t, l, "a", 1)
	d.keep = true
	setCursor(t, l, "sink", 1)
	var got []string
	for _, o := range d.ops {
		got = append(got, o.name+" "+filepath.Base(o.path))
	}
	want := []string{"open cursors.tmp", "write cursors.tmp", "sync cursors.tmp", "rename cursors.tmp", "syncdir " + filepath.Base(dir)}
	if !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
}

// What a killed process wrote and did not sync may be in memory alone. It is
// made durable before any reader sees it.
func TestOpenMakesDurableWhatItShows(t *testing.T) {
	dir := closedLog(t, 5, gib)
	d := newTap()
	d.keep = true
	cfg := small()
	cfg.disk = d
	mustOpen(t, dir, cfg)
	for name, path := range map[string]string{"sync": segmentFiles(t, dir)[0], "syncdir": dir} {
		if !slices.ContainsFunc(d.ops, func(o op) bool { return o.name == name && o.path == path }) {
			t.Errorf("no %s of %s", name, path)
		}
	}
}

func TestAGroupIsOneSync(t *testing.T) {
	l, d, _ := onTap(t, Config{Reserve: -1})
	syncing, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d.failing(func(o op) (int64, error) {
		if o.name == "sync" {
			once.Do(func() { close(syncing); <-release })
		}
		return 0, nil
	})
	var wg sync.WaitGroup
	put := func(name string) { wg.Go(func() { mustAppend(t, l, blockOf(name, 1, 0, 1)) }) }
	put("first")
	<-syncing
	for i := range 50 {
		put(string(rune('A' + i)))
	}
	eventually(t, "50 waiting blocks", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue) == 50
	})
	close(release)
	wg.Wait()
	if s := l.Stats(); s.Appends != 51 || s.Groups != 2 {
		t.Fatalf("%d blocks in %d groups, want 51 in 2", s.Appends, s.Groups)
	}
}

// The gate stands before the write, and opens by itself.
func TestTheReserveOfFreeSpace(t *testing.T) {
	free := int64(100 * mib)
	var mu sync.Mutex
	set := func(n int64) { mu.Lock(); free = n; mu.Unlock() }
	cfg := small()
	cfg.Reserve = 50 * mib
	cfg.Free = func(string) (int64, error) { mu.Lock(); defer mu.Unlock(); return free, nil }
	l, d, _ := onTap(t, cfg)
	fill(t, l, "a", 1)
	set(50*mib + 10)
	d.failing(failAll("write", 0, errors.New("the gate was open")))
	_, err := l.Append(t.Context(), blockOf("a", 1, 1, 1))
	wantKind(t, err, fault.DiskFull)
	d.failing(nil)
	set(51 * mib)
	fill(t, l, "a", 1)
}

func TestShortSpaceTakesTheHistoryFirst(t *testing.T) {
	dir := t.TempDir()
	cfg := small()
	cfg.Reserve = 50 * mib
	most := 7
	cfg.Free = func(string) (int64, error) {
		if len(segmentFiles(t, dir)) > most {
			return 0, nil
		}
		return gib, nil
	}
	l := mustOpen(t, dir, cfg)
	for l.Stats().Segments < 7 {
		fill(t, l, "a", 1)
	}
	most = 4
	_, err := l.Append(t.Context(), blockOf("a", 1, l.Head(), 1))
	wantKind(t, err, fault.DiskFull) // nobody has said that the history is not needed
	if err := errors.Join(l.SetCursor("sink", l.Head()), l.flushCursors()); err != nil {
		t.Fatal(err)
	}
	fill(t, l, "a", 1)
	if n := l.Stats().Segments; n != 4 {
		t.Errorf("%d segments are left, want 4", n)
	}
}

// A file that the disk cannot be read in is a gap like any damage.
func TestAnUnreadablePlaceIsAGap(t *testing.T) {
	dir := closedLog(t, 200, 64*kib)
	path := segmentFiles(t, dir)[0]
	const bad = 5 * page
	var want []uint64
	for _, b := range spots(t, path, kindBlock) {
		if b.end() > bad && b.off < bad+page {
			want = append(want, b.seq)
		}
	}
	d := newTap()
	cfg := small()
	cfg.disk = d
	l := mustOpen(t, dir, cfg)
	d.failing(func(o op) (int64, error) {
		if o.name == "read" && o.path == path && o.off < bad+page && o.off+int64(len(o.data)) > bad {
			return 0, syscall.EIO
		}
		return 0, nil
	})
	got := drain(t, l, 0)
	if !slices.Equal(got.gaps, []Gap{{want[0], want[len(want)-1], GapDamaged}}) || len(got.seqs) != 200-len(want) {
		t.Fatalf("%d blocks, gaps %v; want %v lost", len(got.seqs), got.gaps, want)
	}
}

func TestNoMoreSyncsAtOnceThanAllowed(t *testing.T) {
	syncs := NewSyncs(3)
	var mu sync.Mutex
	running, most := 0, 0
	var wg sync.WaitGroup
	for range 12 {
		cfg := small()
		cfg.Syncs = syncs
		l, d, _ := onTap(t, cfg)
		d.failing(func(o op) (int64, error) {
			if o.name == "sync" {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				defer func() { mu.Lock(); running--; mu.Unlock() }()
			}
			return 0, nil
		})
		wg.Go(func() { fill(t, l, "a", 20) })
	}
	wg.Wait()
	if most > 3 {
		t.Errorf("%d syncs at once, 3 were allowed", most)
	}
}

func TestAMissingDirectoryIsMadeForGood(t *testing.T) {
	base := t.TempDir()
	d := newTap()
	d.keep = true
	cfg := small()
	cfg.disk = d
	dir := filepath.Join(base, "x", "y", "z")
	mustOpen(t, dir, cfg)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("%v, %v", info, err)
	}
	for _, parent := range []string{base, filepath.Join(base, "x"), filepath.Join(base, "x", "y")} {
		if !slices.ContainsFunc(d.ops, func(o op) bool { return o.name == "syncdir" && o.path == parent }) {
			t.Errorf("%s was not synced", parent)
		}
	}
}

func TestTooMuchWaitsOutside(t *testing.T) {
	l, d, _ := onTap(t, Config{Reserve: -1})
	release := make(chan struct{})
	d.failing(func(o op) (int64, error) {
		if o.name == "sync" {
			<-release
		}
		return 0, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	big := make([]byte, 5*mib)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			b := &Block{Connector: string(rune('a' + i)), Epoch: 1, Count: 1, Records: big}
			if _, err := l.Append(ctx, b); err != nil && !fault.Is(err, fault.Canceled) {
				t.Error(err)
			}
		})
	}
	eventually(t, "a full queue", func() bool { return l.Stats().Queued > queueBytes-6*mib })
	if q := l.Stats().Queued; q > queueBytes {
		t.Errorf("%d bytes wait, %d are allowed", q, queueBytes)
	}
	cancel()
	wg.Wait() // those outside too
	close(release)
}
