package outbox

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// wreck is what a disk may hold after the power went away at some moment, by
// the rules that POSIX leaves: a file's content is certain after its sync, its
// name after the directory's, and all else may be there or not.
type wreck struct {
	content map[string][]byte // by path, as the process saw it
	synced  map[string][]byte // as of the file's last sync
	names   map[string]string // name in the directory -> path of the content, as of its last sync
	live    map[string]string // as the process saw it
}

func replayOps(ops []op) *wreck {
	w := &wreck{map[string][]byte{}, map[string][]byte{}, map[string]string{}, map[string]string{}}
	for _, o := range ops {
		id := w.live[o.path]
		switch o.name {
		case "open":
			if id == "" && o.flag&os.O_CREATE != 0 {
				id = o.path + strings.Repeat("'", len(w.content)) // a file of its own, whatever its name becomes
				w.live[o.path], w.content[id], w.synced[id] = id, nil, nil
			}
			if o.flag&os.O_TRUNC != 0 {
				w.content[id] = nil
			}
		case "write":
			c := w.content[id]
			if grow := int(o.off) + len(o.data) - len(c); grow > 0 {
				c = append(slices.Clip(c), make([]byte, grow)...)
			} else {
				c = append([]byte(nil), c...)
			}
			copy(c[o.off:], o.data)
			w.content[id] = c
		case "truncate":
			w.content[id] = w.content[id][:o.off:o.off]
		case "sync":
			w.synced[id] = w.content[id]
		case "remove":
			delete(w.live, o.path)
		case "rename":
			w.live[o.to] = id
			delete(w.live, o.path)
		case "syncdir":
			w.names = maps.Clone(w.live)
		}
	}
	return w
}

// variants are ways in which the unsynced may have come through.
func variants() map[string]func(synced, seen []byte) []byte {
	return map[string]func(synced, seen []byte) []byte{
		"nothing": func(synced, _ []byte) []byte { return synced },
		"all":     func(_, seen []byte) []byte { return seen },
		"half": func(synced, seen []byte) []byte {
			if len(seen) <= len(synced) {
				return seen
			}
			return seen[:len(synced)+(len(seen)-len(synced))/2]
		},
		"size without content": func(synced, seen []byte) []byte {
			if len(seen) <= len(synced) {
				return seen
			}
			return append(slices.Clip(synced), make([]byte, len(seen)-len(synced))...)
		},
	}
}

func (w *wreck) write(t *testing.T, dir string, names map[string]string, take func(synced, seen []byte) []byte) {
	t.Helper()
	for path, id := range names {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), take(w.synced[id], w.content[id]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The power goes away after each single operation of a log's life. Whatever of
// the unsynced came through, the acknowledged is there, without an alarm, and
// the log takes more.
func TestPowerLoss(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	d := newTap()
	d.keep = true
	cfg := small()
	cfg.SegmentBytes, cfg.disk = kib, d
	l := mustOpen(t, dir, cfg)
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		wg.Go(func() {
			for i := range uint64(12) {
				seq := mustAppend(t, l, blockOf(name, 1, i, 1))
				_, _ = d.note(op{name: "ack", seq: seq})
				if i%4 == 3 {
					_ = l.SetCursor(name, seq)
					_ = l.flushCursors()
				}
			}
		})
	}
	wg.Wait()
	mustClose(t, l)

	for n := range d.ops {
		w := replayOps(d.ops[:n+1])
		for how, take := range variants() {
			for _, names := range []map[string]string{w.names, w.live} {
				after := t.TempDir()
				w.write(t, after, names, take)
				checkWreck(t, after, d.ops[:n+1], how)
			}
		}
	}
	t.Logf("%d operations", len(d.ops))
}

func checkWreck(t *testing.T, dir string, ops []op, how string) {
	t.Helper()
	alarms := newAlarms()
	cfg := small()
	cfg.Log = logger(alarms)
	d := newTap()
	d.lazy = true
	cfg.disk = d
	l, err := Open(dir, cfg)
	if err != nil {
		t.Fatalf("after operation %d, %s: %v", len(ops), how, err)
	}
	defer mustClose(t, l)
	if a := alarms.list(); a != nil {
		t.Fatalf("after operation %d, %s: alarms %v", len(ops), how, a)
	}
	got := drain(t, l, 0)
	if got.gaps != nil {
		t.Fatalf("after operation %d, %s: gaps %v", len(ops), how, got.gaps)
	}
	for _, o := range ops {
		if o.name == "ack" && o.seq > uint64(len(got.seqs)) {
			t.Fatalf("after operation %d, %s: block %d was acknowledged, %d are there", len(ops), how, o.seq, len(got.seqs))
		}
	}
	fill(t, l, "z", 3)
}
