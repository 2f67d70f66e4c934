package outbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// small is a configuration in which segments are short and nothing is deleted.
func small() Config {
	return Config{SegmentBytes: 2 * kib, MaxBytes: -1, MaxAge: -1, Keep: gib, Reserve: -1}
}

func mustOpen(t testing.TB, dir string, cfg Config) *Log {
	t.Helper()
	l, err := Open(dir, cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { mustClose(t, l) })
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// blockOf is a block of n records whose content follows from its key.
func blockOf(connector string, epoch, first uint64, n int) *Block {
	return &Block{
		Connector: connector, Epoch: epoch, First: first, Count: n,
		Received: int64(first) + 1, Module: "sha256:00", Revision: 3,
		Records: content(connector, epoch, first, 100*n),
		Cursor:  binary.BigEndian.AppendUint64(nil, first+uint64(n)),
	}
}

func content(connector string, epoch, first uint64, n int) []byte {
	unit := fmt.Sprintf("%s/%d/%d ", connector, epoch, first)
	return bytes.Repeat([]byte(unit), n/len(unit)+1)[:n]
}

func mustAppend(t testing.TB, l *Log, b *Block) uint64 {
	t.Helper()
	seq, err := l.Append(context.WithoutCancel(t.Context()), b)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return seq
}

// fill appends n blocks of one record each to a connector's first epoch.
func fill(t testing.TB, l *Log, connector string, n int) {
	t.Helper()
	s, _ := l.State(connector)
	for i := range n {
		mustAppend(t, l, blockOf(connector, 1, s.Next+uint64(i), 1))
	}
}

// seen is what a reader met: blocks as their sequence, gaps as themselves.
type seen struct {
	seqs []uint64
	gaps []Gap
}

// drain reads from a sequence up to the log's head, and checks that each block
// holds what its key says.
func drain(t testing.TB, l *Log, from uint64) (got seen) {
	t.Helper()
	r := l.Reader(from)
	defer closeReader(t, r)
	for r.next <= l.Head() {
		b, err := r.Next(t.Context())
		var gap *Gap
		switch {
		case errors.As(err, &gap):
			got.gaps = append(got.gaps, *gap)
		case err != nil:
			t.Fatalf("next: %v", err)
		default:
			if !bytes.Equal(b.Records, content(b.Connector, b.Epoch, b.First, len(b.Records))) {
				t.Fatalf("block %d of %s/%d/%d holds other bytes", b.Seq, b.Connector, b.Epoch, b.First)
			}
			got.seqs = append(got.seqs, b.Seq)
		}
	}
	return got
}

func sequence(from, to uint64) (s []uint64) {
	for ; from <= to; from++ {
		s = append(s, from)
	}
	return s
}

func wantKind(t testing.TB, err error, k fault.Kind) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("got %v, want a fault of the kind %v", err, k)
	}
}

// segmentFiles are the segments' paths, oldest first.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// damage changes a file in place.
func damage(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// spots are where the records with payloads of a kind lie in a segment.
func spots(t testing.TB, path string, k kind) (found []record) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, salt, ok := parseSegmentName(filepath.Base(path))
	if !ok {
		t.Fatalf("%s is no segment", path)
	}
	s := scanner{src: bytes.NewReader(b), salt: salt, limit: int64(len(b))}
	for {
		rec, ok, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return found
		}
		if rec.kind == k {
			found = append(found, rec)
		}
	}
}

func copyDir(t testing.TB, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// alarms collects what a log reports as an error.
type alarms struct {
	slog.Handler
	mu   sync.Mutex
	text []string
}

func newAlarms() *alarms { return &alarms{Handler: slog.DiscardHandler} }

func (a *alarms) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (a *alarms) Handle(_ context.Context, r slog.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text = append(a.text, r.Message)
	return nil
}

func (a *alarms) WithAttrs([]slog.Attr) slog.Handler { return a }

func (a *alarms) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.text...)
}

// eventually polls a condition that another goroutine makes true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not happen", what)
		}
	}
}

func timer(name string, after uint64) abi.Timer { return abi.Timer{Name: name, AfterMS: after} }

func logger(h slog.Handler) *slog.Logger { return slog.New(h) }

func closeReader(t testing.TB, r *Reader) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Errorf("close a reader: %v", err)
	}
}
