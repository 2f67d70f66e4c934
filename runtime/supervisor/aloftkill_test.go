package supervisor_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

// What the child of the kill test is told.
const (
	aloftDirEnv   = "SNAPRAIL_ALOFT_DIR"   // where it works
	aloftAfterEnv = "SNAPRAIL_ALOFT_AFTER" // how long it does; nothing: it does the rest, and stops in order
)

// maxUnderWay is how many inputs of one source may be under way: what a kill brings
// again at most.
const maxUnderWay = 4 * abi.MaxItems

// TestSoakKillWithBlocksAloft: a node is killed at random moments while its source
// sends as fast as it is taken, and the disk is slower than the guest, so that a few
// blocks wait for one sync; a sink has batches under way meanwhile. Each time, what the
// peer heard is safe is in the log; what is begun anew is what he did not hear of, and
// no more than may be under way; the place of the sink is not ahead of what arrived.
// In the end everything is in the log and at the far end, in order.
func TestSoakKillWithBlocksAloft(t *testing.T) {
	if dir := os.Getenv(aloftDirEnv); dir != "" {
		aloftChild(t, dir)
		return
	}
	t.Parallel()
	kills := 12
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		kills = 200
	}
	h := history{T: t, dir: t.TempDir()}
	aloft := [4]int{} // kills by how many blocks were
	for range kills {
		h.child(time.Duration(20+rand.IntN(200)) * time.Millisecond)
		aloft[min(h.number("aloft"), 3)]++
		h.check()
	}
	t.Logf("kills with 0, 1, 2 and 3 blocks aloft: %d; %d records in the log, %d of them again; %d arrived, %d again",
		aloft, len(h.logged), h.again, len(h.arrived), h.arrivedAgain)
	if several := aloft[2] + aloft[3]; several < kills/3 || aloft[3] == 0 {
		t.Errorf("%d of %d kills met several blocks aloft, %d of them three", several, kills, aloft[3])
	}
	h.child(0)
	h.check()
	if n := len(h.logged); h.reached != n || h.logged[n-1]+1 != h.acked {
		t.Errorf("%d of %d records have arrived; the last is %d, and the peer has heard of all before %d", h.reached, n, h.logged[n-1], h.acked)
	}
}

// history is what a node has done in a directory, and what is known of it.
type history struct {
	*testing.T
	dir string

	acked        uint64   // what the peer had heard at the end before
	logged       []uint64 // numbers in the order of the log
	blocks       []uint64 // of each of them
	again        int
	arrived      []uint64
	reached      int // of what is logged, at the far end
	arrivedAgain int
	place        uint64 // of the sink in the log, at the end before
}

// child runs the node, and has it killed after a while; 0: it does the rest, and stops.
func (h *history) child(after time.Duration) {
	h.Helper()
	cmd := exec.CommandContext(h.Context(), os.Args[0], "-test.run", "^"+h.Name()+"$")
	cmd.Env = append(os.Environ(), aloftDirEnv+"="+h.dir, "TMPDIR="+h.TempDir())
	if after > 0 {
		cmd.Env = append(cmd.Env, aloftAfterEnv+"="+after.String())
	}
	said, err := cmd.CombinedOutput()
	if after == 0 {
		if err != nil {
			h.Fatalf("%v\n%s", err, said)
		}
		return
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		h.Fatalf("the child was not killed: %v\n%s", err, said)
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
		h.Fatalf("the child ended by itself: %v\n%s", err, said)
	}
}

// number is one that the child has noted.
func (h *history) number(name string) uint64 {
	h.Helper()
	return readNumber(h.T, h.dir, name)
}

// check holds what the last run left against what was there before.
func (h *history) check() {
	h.Helper()
	log, err := outbox.Open(filepath.Join(h.dir, "outbox", "plant"), outbox.Config{})
	if err != nil {
		h.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			h.Error(err)
		}
	}()
	h.read(log)
	h.arrivals()
	place, known := log.Cursor("deliver/" + h.text("sink"))
	if !known || place < h.place {
		h.Fatalf("the sink's place is %d, and was %d", place, h.place)
	}
	if n := h.behind(place); n > h.reached {
		h.Fatalf("the sink's place is behind %d records, and %d have arrived", n, h.reached)
	}
	h.place = place
}

// behind is how many records of the log a place is behind.
func (h *history) behind(place uint64) int {
	n, _ := slices.BinarySearch(h.blocks, place+1)
	return n
}

// read reads what is new in the log: it begins with what the peer had not heard of, goes
// on without a hole, under keys that do, and has all that he has heard of since.
func (h *history) read(log *outbox.Log) {
	h.Helper()
	from := uint64(1)
	if n := len(h.blocks); n > 0 {
		from = h.blocks[n-1] + 1
		again := int(h.logged[n-1] + 1 - h.acked)
		if again > maxUnderWay {
			h.Fatalf("%d records are in the log that the peer has not heard of: no more than %d may be under way", again, maxUnderWay)
		}
		h.again += again
	}
	r := log.Reader(from)
	defer func() { _ = r.Close() }()
	source, want, epoch, next := h.text("source"), h.acked, uint64(0), uint64(0)
	for at := from; at <= log.Head(); at++ {
		b, err := r.Next(h.Context())
		if err != nil {
			h.Fatal(err)
		}
		if b.Connector != source || b.Count == 0 {
			continue
		}
		if epoch != 0 && b.Epoch != epoch || b.First != next {
			h.Fatalf("block %d has the key %d/%d, want %d/%d", b.Seq, b.Epoch, b.First, epoch, next)
		}
		epoch, next = b.Epoch, next+uint64(b.Count)
		for _, n := range numbersOf(h.T, b) {
			if n != want {
				h.Fatalf("number %d in block %d, want %d", n, b.Seq, want)
			}
			want++
			h.logged, h.blocks = append(h.logged, n), append(h.blocks, b.Seq)
		}
	}
	h.acked = h.number("acked")
	if want < h.acked {
		h.Fatalf("the peer has heard that all before %d is safe, and the log ends at %d", h.acked, want)
	}
}

// arrivals reads what is new at the far end: it is what the log has behind the place that
// the sink had, in its order and without a hole.
func (h *history) arrivals() {
	h.Helper()
	raw, err := os.ReadFile(filepath.Join(h.dir, "arrived"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.Fatal(err)
	}
	at := h.behind(h.place)
	begun := h.reached
	for i := 8 * len(h.arrived); i+8 <= len(raw); i += 8 {
		n := binary.BigEndian.Uint64(raw[i:])
		if at >= len(h.logged) || n != h.logged[at] {
			h.Fatalf("%d arrived at the place of record %d of %d in the log", n, at, len(h.logged))
		}
		if at < begun {
			h.arrivedAgain++
		}
		at++
		h.arrived, h.reached = append(h.arrived, n), max(h.reached, at)
	}
}

func (h *history) text(name string) string {
	h.Helper()
	raw, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		h.Fatal(err)
	}
	return string(raw)
}

func numbersOf(t *testing.T, b *outbox.Block) (list []uint64) {
	t.Helper()
	for records := b.Records; ; {
		batch, rest, ok := outbox.CutBatch(records)
		if !ok {
			return list
		}
		records = rest
		var in abi.Batch
		if err := in.Decode(batch); err != nil {
			t.Fatal(err)
		}
		for i := range in.Records {
			list = append(list, binary.BigEndian.Uint64(in.Records[i].Payload))
		}
	}
}

// readNumber reads a number that was noted in a file; none was: 0.
func readNumber(t *testing.T, dir, name string) uint64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil || len(raw) != 0 && len(raw) != 8 {
		t.Fatalf("%s: %d bytes, %v", name, len(raw), err)
	}
	if len(raw) == 0 { // killed between making it and writing it
		return 0
	}
	return binary.BigEndian.Uint64(raw)
}

// aloftChild is the node, on what the runs before it have left. It kills itself, so that
// it knows what is aloft then.
func aloftChild(t *testing.T, dir string) {
	t.Helper()
	f := newFar(t, dir)
	r := newRig(t, func(r *rig) {
		s, err := badger.Open(badger.Config{Dir: filepath.Join(dir, "store"), Key: badger.Key{1}, Disk: roomy})
		if err != nil {
			t.Fatal(err)
		}
		r.dir, r.store, r.more = dir, s, []capability.Group{farScript{f}, farSource{far: f}, farSink{far: f}}
		r.outbox = outbox.Config{SegmentBytes: 128 << 10, CursorEvery: 20 * time.Millisecond, Free: slowDisk}
	})
	list, _, err := r.tenant.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		f.connect(r)
	}
	after, err := time.ParseDuration(os.Getenv(aloftAfterEnv))
	if err != nil { // the last run
		most := f.begun + 2*maxUnderWay
		f.most.Store(most)
		eventually(t, "all has arrived", func() bool { return f.acked.Load() == most && f.reached.Load() == most })
		return
	}
	log := r.plant().Outbox()
	eventually(t, "the source sends", func() bool { return f.acked.Load() > f.begun })
	<-time.After(after)
	f.note("aloft", uint64(log.Stats().UnderWay))
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	<-t.Context().Done()
}

func roomy(string) (free, total uint64, err error) { return 1 << 40, 1 << 40, nil }

// slowDisk takes its time for each group of blocks.
func slowDisk(string) (int64, error) {
	<-time.After(time.Duration(2+rand.IntN(6)) * time.Millisecond)
	return math.MaxInt64, nil
}
