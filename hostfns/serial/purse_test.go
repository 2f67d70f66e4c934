package serial

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// pouch is a purse for tests.
type pouch struct {
	mu   sync.Mutex
	left int64
}

func (*pouch) Request(context.Context) (func(), error) { return func() {}, nil }

func (p *pouch) Hold(n int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > p.left {
		return fault.New(fault.Exhausted, "empty")
	}
	p.left -= n
	return nil
}

func (p *pouch) has() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// What a port buffers is drawn on the tenant's purse: the line waits for want of it,
// and goes on when others have given back.
func TestQueueDrawsOnThePurse(t *testing.T) {
	const all = 256 << 10
	purse := &pouch{left: all}
	q := newQueue(defaultFrames, defaultBytes, purse)
	frame := bytes.Repeat([]byte("x"), 1024)
	n := 0
	for q.tryPush(data(), frame) {
		n++
	}
	if !q.isStarved() || n*len(frame) > all+64<<10 || n < 64 {
		t.Fatalf("%d KiB were kept out of a purse of %d", n, all>>10)
	}
	pushed := make(chan error, 1)
	go func() { pushed <- q.push(nil, data(), frame) }()
	if err := purse.Hold(-all); err != nil { // somebody else's
		t.Fatal(err)
	}
	if err := <-pushed; err != nil {
		t.Fatal(err)
	}
	if got := q.take(nil, 2*n, 1<<20); len(got) != n+1 || !bytes.Equal(got[n].Data, frame) {
		t.Fatalf("%d events are left of %d", len(got), n+1)
	}
	q.ack(n + 1)
	if left := purse.has(); left != 2*all {
		t.Errorf("an empty queue keeps %d bytes", 2*all-left)
	}
	if err := q.push(nil, data(), frame); err != nil { // it begins anew
		t.Fatal(err)
	}
	for range 200 {
		q.tryPush(data(), frame)
	}
	if purse.has() == 2*all {
		t.Error("nothing is drawn for 200 KiB")
	}
	if q.end(); purse.has() != 2*all {
		t.Error("a session that is over keeps something")
	}
}

func TestInputDrawsOnThePurse(t *testing.T) {
	purse := &pouch{left: 64 << 10}
	i := newInput(1<<20, purse)
	block := make([]byte, 16<<10)
	put := func() (n int, starved bool) { return i.tryPut(block) }
	for n := range 8 {
		if got, _ := put(); got != len(block) {
			t.Fatalf("no room for block %d", n)
		}
	}
	if got, starved := put(); got != 0 || !starved {
		t.Errorf("%d bytes beyond the purse", got)
	}
	if _, got, _ := i.read(nil, want{size: 8 * len(block)}, false); !got || purse.has() != 64<<10 {
		t.Errorf("%d are left in the purse", purse.has())
	}
	put()
	if i.end(); purse.has() != 64<<10 {
		t.Errorf("%d are left in the purse at the end", purse.has())
	}
}

// What is drawn is what the buffer takes of memory, however it has grown.
func TestInputDrawsWhatItTakes(t *testing.T) {
	const all, free = 16 << 20, 64 << 10
	purse := &pouch{left: all}
	i := newInput(1<<20, purse)
	block := make([]byte, 997)
	drawn := func() int { return all - int(purse.has()) }
	for n := 0; n < 1<<20; {
		got, starved := i.tryPut(block)
		if n += got; got == 0 || starved || n != len(i.buf) {
			t.Fatalf("%d bytes found room behind %d", got, n-got)
		}
		if size := cap(i.buf); drawn()+free < size || drawn() > size || size > 1<<20 {
			t.Fatalf("%d bytes are drawn for %d", drawn(), size)
		}
	}
	i.read(nil, want{size: 1<<20 - 1}, false)
	if size := cap(i.buf); drawn()+free < size {
		t.Errorf("%d bytes are drawn for the %d that are left of it", drawn(), size)
	}
	if i.leave(); drawn() != 0 {
		t.Errorf("%d bytes are drawn for nothing", drawn())
	}
}

var _ capability.Purse = (*pouch)(nil)
