package outbox

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16} {
		for _, records := range []int{64, 256} {
			b.Run(fmt.Sprintf("writers=%d/records=%d", writers, records), func(b *testing.B) {
				l := mustOpen(b, b.TempDir(), Config{})
				var left atomic.Int64
				left.Store(int64(b.N))
				b.SetBytes(int64(records) * 50)
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for w := range writers {
					wg.Go(func() {
						blk := blockOf(fmt.Sprint(w), 1, 0, records)
						blk.Records = blk.Records[:50*records]
						for left.Add(-1) >= 0 {
							mustAppend(b, l, blk)
							blk.First += uint64(records)
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				s := l.Stats()
				b.ReportMetric(float64(s.Appends)/b.Elapsed().Seconds(), "blocks/s")
				b.ReportMetric(float64(s.Appends)/float64(s.Groups), "blocks/sync")
			})
		}
	}
}

// benchLog is a log of 1000 blocks of 256 records of 50 bytes.
func benchLog(b *testing.B) (dir string, size int64) {
	b.Helper()
	dir = b.TempDir()
	d := newTap()
	d.lazy = true
	l := mustOpen(b, dir, Config{disk: d})
	for i := range uint64(1000) {
		blk := blockOf("a", 1, i*256, 256)
		blk.Records = blk.Records[:50*256]
		mustAppend(b, l, blk)
	}
	mustClose(b, l)
	return dir, l.Stats().Bytes
}

func BenchmarkReopen(b *testing.B) {
	dir, size := benchLog(b)
	b.SetBytes(size)
	for b.Loop() {
		l, err := Open(dir, Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	dir, size := benchLog(b)
	l := mustOpen(b, dir, Config{})
	b.SetBytes(size / 1000)
	b.ReportAllocs()
	r := l.Reader(0)
	defer func() { _ = r.Close() }()
	for b.Loop() {
		if r.next > l.Head() {
			_ = r.Close()
			r = l.Reader(0)
		}
		if _, err := r.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
