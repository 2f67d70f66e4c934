package badger

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bdg "github.com/dgraph-io/badger/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

func TestDiskFull(t *testing.T) {
	const reserve = 256 << 20
	var free atomic.Uint64
	free.Store(reserve)
	cfg := testConfig(t.TempDir())
	cfg.Disk = func(string) (uint64, uint64, error) { return free.Load(), 1 << 30, nil }
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	space, _ := s.Tenant("a")
	write := func(value string) error {
		return space.Update(t.Context(), func(w store.Writer) error {
			_, err := w.Put(store.KV, "x", []byte(value))
			return err
		})
	}
	read := func() (value string) {
		err := space.View(t.Context(), func(r store.Reader) error {
			e, err := r.Get(store.KV, "x")
			value = string(e.Value)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return value
	}
	if err := write("before"); err != nil {
		t.Fatal(err)
	}
	free.Store(reserve - 1)
	if err := write("full"); !fault.Is(err, fault.DiskFull) {
		t.Errorf("got %v", err)
	}
	if got := read(); got != "before" {
		t.Errorf("read %q from a full disk", got)
	}
	free.Store(reserve)
	if err := write("after"); err != nil || read() != "after" {
		t.Errorf("space came back: %v, %q", err, read())
	}
}

// TestOpenOnFullDisk: neither opening nor closing writes to a disk that has no
// room for tables.
func TestOpenOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	cfg := testConfig(dir)
	full := func(string) (uint64, uint64, error) { return roomForTables - 1, 1 << 30, nil }
	fill(t, dir)
	cfg.Disk = full
	if _, err := Open(cfg); !fault.Is(err, fault.DiskFull) {
		t.Errorf("open: %v", err)
	}
	cfg.Disk = func(string) (uint64, uint64, error) { return roomForTables, 1 << 30, nil }
	s, err := Open(cfg) // to read
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	cfg.Dir = t.TempDir()
	if _, err := Open(cfg); !fault.Is(err, fault.DiskFull) {
		t.Errorf("a new store below the reserve: %v", err)
	}

	cfg = testConfig(dir)
	cfg.Logger = slog.New(slog.DiscardHandler)
	db, err := openBadger(&cfg)
	if err == nil {
		b := &backend{db: db, disk: &disk{dir: dir, usage: full}, stop: make(chan struct{})}
		if err := b.Close(); !fault.Is(err, fault.DiskFull) || db.IsClosed() {
			t.Errorf("close: %v", err)
		}
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReserve(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct{ reserve, total, want uint64 }{
		{0, 1 << 30, 256 * mib},
		{0, 20 << 30, 1 << 30},
		{0, 1 << 40, 2 << 30},
		{mib, 1 << 40, mib},
	} {
		d := &disk{reserve: test.reserve}
		for free, ok := range map[uint64]bool{test.want: true, test.want - 1: false} {
			d.usage = func(string) (uint64, uint64, error) { return free, test.total, nil }
			if err := d.roomToWrite(); (err == nil) != ok {
				t.Errorf("reserve %d of %d, %d free: %v", test.reserve, test.total, free, err)
			}
		}
	}
	d := &disk{usage: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, errors.New("no such disk") }}
	if !fault.Is(d.roomToWrite(), fault.Internal) || !fault.Is(d.roomToOpen(), fault.Internal) {
		t.Error("writes go on when nobody knows how full the disk is")
	}
}

func TestStatfs(t *testing.T) {
	free, total, err := statfs(t.TempDir())
	if err != nil || total == 0 || free > total {
		t.Error(free, total, err)
	}
	if _, _, err := statfs(t.TempDir() + "/nothing"); err == nil {
		t.Error("a directory that is not there has free space")
	}
}

func TestCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := &backend{stop: make(chan struct{})}
		answers := []error{nil, nil, bdg.ErrNoRewrite, errors.New("broken"), bdg.ErrRejected}
		b.loops.Go(func() {
			b.collect(time.Minute, func() error {
				err := answers[0]
				answers = answers[1:]
				return err
			}, slog.New(slog.NewTextHandler(&log, nil)))
		})
		<-time.After(200 * time.Second)
		close(b.stop)
		b.loops.Wait()
		if len(answers) != 0 || strings.Count(log.String(), "broken") != 1 || strings.Count(log.String(), "level=") != 1 {
			t.Errorf("not asked for: %v; logged %s", answers, &log)
		}
	})
}
