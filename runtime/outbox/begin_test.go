package outbox

import (
	"context"
	"slices"
	"syscall"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// held is a log whose next write waits until let is closed, and those to come in the
// queue behind it, for a write of theirs together; that fails with then.
func held(t *testing.T, then error) (l *Log, d *tap, began Pending, let chan struct{}) {
	t.Helper()
	l, d, _ = onTap(t, Config{Reserve: -1, SegmentBytes: mib})
	fill(t, l, "a", 1)
	let = make(chan struct{})
	here, writes := make(chan struct{}), 0
	d.failing(func(o op) (int64, error) {
		if o.name != "write" {
			return 0, nil
		}
		if writes++; writes > 1 {
			return 0, then
		}
		close(here)
		<-let
		return 0, nil
	})
	began = begin(t, l, blockOf("a", 2, 0, 1), false)
	<-here
	return l, d, began, let
}

func begin(t *testing.T, l *Log, b *Block, behind bool) Pending {
	t.Helper()
	p, err := l.Begin(t.Context(), b, behind)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Blocks that are begun one behind another wait for the disk together, and stand on
// it in their order.
func TestBlocksBegunBehindOneAnother(t *testing.T) {
	l, _, first, let := held(t, nil)
	again := blockOf("a", 2, 1, 1)
	all := []Pending{first, begin(t, l, again, true)}
	*again = *blockOf("a", 2, 2, 3) // it may be used again at once
	all = append(all, begin(t, l, again, true))
	if all[2].Ended() {
		t.Error("a block has ended that is not on the disk")
	}
	if n := l.Stats().UnderWay; n != 3 {
		t.Errorf("%d blocks are under way, want 3", n)
	}
	close(let)
	var seqs []uint64
	for _, p := range all {
		seq, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
	}
	if want := []uint64{2, 3, 4}; !slices.Equal(seqs, want) || !slices.Equal(drain(t, l, 2).seqs, want) {
		t.Errorf("sequences %v", seqs)
	}
	if s := l.Stats(); s.Groups != 3 { // that of fill, the held one, and the two behind it
		t.Errorf("%d syncs", s.Groups)
	}
}

// What was begun behind a block that did not arrive does not either, whether it
// waited with it or came later, though its epoch is new to the log.
func TestNoBlockArrivesWithoutTheOneBefore(t *testing.T) {
	l, d, first, let := held(t, syscall.ENOSPC)
	waiting := begin(t, l, blockOf("a", 2, 1, 1), true)
	close(let)
	if _, err := first.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := waiting.Wait(t.Context())
	wantKind(t, err, fault.DiskFull)

	lost := begin(t, l, blockOf("a", 3, 0, 1), false)
	_, err = lost.Wait(t.Context())
	wantKind(t, err, fault.DiskFull)
	d.failing(nil)
	later := begin(t, l, blockOf("a", 3, 1, 1), true)
	_, err = later.Wait(t.Context())
	wantKind(t, err, fault.Internal)
	mustAppend(t, l, blockOf("a", 3, 0, 1))
	mustAppend(t, l, blockOf("a", 3, 1, 1))
}

// The end of a context ends the wait, and not the write.
func TestAWaitEndsWithItsContext(t *testing.T) {
	l, _, first, let := held(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.Wait(ctx); !fault.Is(err, fault.Canceled) {
		t.Errorf("%v", err)
	}
	close(let)
	eventually(t, "the write", func() bool { return l.Head() == 2 })
}
