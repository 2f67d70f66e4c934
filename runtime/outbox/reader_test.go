package outbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/snaprail/snaprail/runtime/fault"
)

func TestAReaderWaitsForTheNextBlock(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTap()
		d.lazy = true
		cfg := small()
		cfg.disk = d
		l := mustOpen(t, dir, cfg)
		r := l.Reader(0) // of a log that has no file yet
		defer closeReader(t, r)
		for want := uint64(1); want <= 50; want++ {
			got := make(chan uint64)
			go func() {
				b, err := r.Next(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- b.Seq
			}()
			synctest.Wait() // it sleeps
			select {
			case seq := <-got:
				t.Fatalf("block %d came before it was there", seq)
			default:
			}
			fill(t, l, "a", 1)
			if seq := <-got; seq != want {
				t.Fatalf("block %d, want %d", seq, want)
			}
		}
	})
}

func TestTheEndOfAReadersWait(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	fill(t, l, "a", 1)
	r := l.Reader(2)
	defer closeReader(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	next := func(ctx context.Context) {
		_, err := r.Next(ctx)
		got <- err
	}
	go next(ctx)
	cancel()
	wantKind(t, <-got, fault.Canceled)
	go next(t.Context())
	mustClose(t, l)
	wantKind(t, <-got, fault.ShuttingDown)
	_, err := l.Append(t.Context(), blockOf("a", 1, 1, 1))
	wantKind(t, err, fault.ShuttingDown)
	wantKind(t, l.Forget(t.Context(), "a"), fault.ShuttingDown)
}

// Reading from any place reads about one stride, once the segment was walked.
func TestSeekingReadsLittle(t *testing.T) {
	dir := t.TempDir()
	cfg := small()
	cfg.SegmentBytes = 4 * mib
	l := mustOpen(t, dir, cfg)
	for i := range uint64(1200) {
		mustAppend(t, l, blockOf("a", 1, i*100, 100)) // 10 KB each
	}
	mustClose(t, l)
	d := newTap()
	cfg.disk = d
	l = mustOpen(t, dir, cfg)
	cost := func(seq uint64) (n int64) {
		before := total(d.read)
		if _, err := l.Read(seq); err != nil {
			t.Fatal(err)
		}
		return total(d.read) - before
	}
	if n := cost(600); n > 5*mib {
		t.Errorf("the first read in a segment read %d bytes", n)
	}
	for _, seq := range []uint64{600, 500, 450, 599} {
		if n := cost(seq); n > 2*chunk {
			t.Errorf("then block %d cost %d bytes", seq, n)
		}
	}
	if n := cost(1199); n > 2*chunk {
		t.Errorf("a block of the last segment cost %d bytes", n)
	}
}

func total(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// Hundreds of readers at the head cost neither files nor buffers.
func TestManyReaders(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	var wg sync.WaitGroup
	readers := make([]*Reader, 200)
	for i := range readers {
		readers[i] = l.Reader(0)
		wg.Go(func() {
			for want := uint64(1); want <= 100; want++ {
				b, err := readers[i].Next(t.Context())
				if err != nil || b.Seq != want {
					t.Errorf("block %+v, %v; want %d", b, err, want)
					return
				}
			}
		})
	}
	for i := range uint64(100) {
		mustAppend(t, l, blockOf("a", 1, i*300, 300))
	}
	wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	for _, r := range readers {
		wg.Go(func() { _, _ = r.Next(ctx) })
	}
	eventually(t, "all to rest", func() bool { return l.Stats().OpenFiles == 1 })
	cancel()
	wg.Wait()
	for _, r := range readers {
		if n := cap(r.scan.buf); n > keepBytes {
			t.Fatalf("a reader at rest holds %d bytes", n)
		}
		_ = r.Close()
		_ = r.Close()
	}
}

func TestABlockStaysValidUntilTheNext(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	fill(t, l, "a", 30)
	r := l.Reader(0)
	defer closeReader(t, r)
	for range 30 {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fill(t, l, "b", 1) // what is written meanwhile does not matter
		if string(b.Records) != string(content("a", 1, b.First, 100)) {
			t.Fatalf("block %d changed", b.Seq)
		}
	}
}

// Many write, many read, some are stopped in the middle, segments are deleted:
// every reader gets each block that is there, in order, and hears of the rest.
func TestHammer(t *testing.T) {
	dir := t.TempDir()
	d := newTap()
	d.lazy = true
	cfg := small()
	cfg.disk, cfg.MaxBytes, cfg.Syncs = d, 64*kib, NewSyncs(2)
	l := mustOpen(t, dir, cfg)
	const perWriter = 400
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	var writing, reading sync.WaitGroup
	for _, name := range names {
		writing.Go(func() {
			for i := range uint64(perWriter) {
				mustAppend(t, l, blockOf(name, 1, i, 1))
			}
		})
	}
	last := uint64(len(names) * perWriter)
	for i := range 16 {
		reading.Go(func() {
			hammerReader(t, l, last)
			if err := l.SetCursor(names[i%len(names)], last); err != nil {
				t.Error(err)
			}
		})
	}
	stop := make(chan struct{})
	var aside sync.WaitGroup
	aside.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = l.Stats()
			_ = l.Connectors()
			if _, err := l.Read(l.First()); err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Integrity) {
				t.Error(err)
			}
			l.Trim()
		}
	})
	writing.Wait()
	reading.Wait()
	close(stop)
	aside.Wait()
	if l.Head() != last {
		t.Fatalf("head %d, want %d", l.Head(), last)
	}
	mustClose(t, l)
	if n := l.Stats().OpenFiles; n != 0 {
		t.Errorf("%d files are open after Close", n)
	}
}

func hammerReader(t *testing.T, l *Log, last uint64) {
	t.Helper()
	r := l.Reader(1)
	defer closeReader(t, r)
	for want := r.next; want <= last; {
		b, err := r.Next(t.Context())
		var gap *Gap
		switch {
		case errors.As(err, &gap) && gap.From == want && gap.Reason == GapRetention:
			want = gap.To + 1
		case err == nil && b.Seq == want && slices.Equal(b.Records, content(b.Connector, 1, b.First, 100)):
			want++
		default:
			t.Errorf("at %d: %+v, %v", want, b, err)
			return
		}
	}
}
