package queue_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/queue"
)

// model is a queue as one would write it down.
type model struct {
	list        []modelled
	taken, seen int
	most, bytes int
	next        int
	lost        uint64
}

type modelled struct {
	event capability.Event
	kept  bool
	value int
}

func (m *model) room(size int) bool {
	kept, bytes := 0, 0
	for _, e := range m.list {
		if e.kept {
			kept++
			bytes += len(e.event.Data)
		}
	}
	return kept == 0 || kept < m.most && bytes+size <= m.bytes
}

func (m *model) gap(name string) {
	m.lost++
	for _, e := range m.list[m.seen:] {
		if e.event.Type == abi.EventGap && !e.kept && e.event.Name == name {
			return
		}
	}
	m.list = append(m.list, modelled{event: gap(name)})
}

func (m *model) note(e capability.Event) {
	if n := len(m.list); e.Type == abi.EventDown && n > m.seen && m.list[n-1].event.Type == abi.EventUp {
		m.list = m.list[:n-1]
		return
	}
	m.list = append(m.list, modelled{event: e})
}

func (m *model) take(items, bytes int) (got []capability.Event) {
	for first := true; m.taken < len(m.list) && items > 0; first = false {
		e := m.list[m.taken]
		if len(e.event.Data) > bytes && !first {
			break
		}
		got = append(got, e.event)
		m.taken++
		items--
		bytes -= len(e.event.Data)
	}
	m.seen = max(m.seen, m.taken)
	return got
}

func (m *model) ack(n int) (values []int) {
	n = min(n, m.taken)
	for _, e := range m.list[:n] {
		if e.kept {
			values = append(values, e.value)
		}
	}
	m.list = m.list[n:]
	m.taken -= n
	m.seen -= n
	return values
}

func (m *model) drop(gone func(int) bool) {
	kept, seen := slices.Clone(m.list[:m.taken]), m.seen
	for i, e := range m.list[m.taken:] {
		if e.kept && gone(e.value) {
			if m.taken+i < seen {
				m.seen--
			}
			continue
		}
		kept = append(kept, e)
	}
	m.list = kept
}

// compare does the same to a queue and its model. next answers a number below n.
func compare(t interface {
	Helper()
	Fatalf(string, ...any)
}, steps int, next func(n int) int,
) {
	t.Helper()
	m := &model{most: 1 + next(9), bytes: 1 + next(60)}
	q := queue.New[int](queue.Config{Events: m.most, Bytes: m.bytes, Purse: &purse{most: 1 << 30}})
	for step := range steps {
		switch kind := next(10); kind {
		case 0, 1, 2, 3:
			e := sized(next(40))
			m.next++
			fits := m.room(len(e.Data))
			if got := q.TryPut(e, m.next); got != fits {
				t.Fatalf("step %d: room %v, want %v", step, got, fits)
			}
			if fits {
				m.list = append(m.list, modelled{e, true, m.next})
			}
		case 4:
			name := string(rune('a' + next(3)))
			m.gap(name)
			q.Gap(gap(name), 1)
		case 5:
			e := word([]abi.EventType{abi.EventUp, abi.EventDown}[next(2)])
			m.note(e)
			q.Note(e)
		case 6, 7:
			items, bytes := next(6), next(80)
			if got, want := q.Take(nil, items, bytes), m.take(items, bytes); fmt.Sprint(names(got), len(got)) != fmt.Sprint(names(want), len(want)) {
				t.Fatalf("step %d: took %q, want %q", step, names(got), names(want))
			}
		case 8:
			n := next(6)
			var got []int
			q.AckEach(n, func(v int) { got = append(got, v) })
			if want := m.ack(n); !slices.Equal(got, want) {
				t.Fatalf("step %d: acknowledged %v, want %v", step, got, want)
			}
		case 9:
			if next(2) == 0 {
				m.taken = 0
				q.Rewind()
				break
			}
			third := next(3)
			gone := func(v int) bool { return v%3 == third }
			m.drop(gone)
			q.Drop(gone)
		}
		if lost, n := q.Counts(map[string]uint64{}); n != len(m.list) || lost != m.lost {
			t.Fatalf("step %d: %d events, want %d; lost %d, want %d", step, n, len(m.list), lost, m.lost)
		}
	}
}

func TestQueueIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		compare(t, rapid.IntRange(1, 200).Draw(t, "steps"), func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") })
	})
}

func FuzzQueue(f *testing.F) {
	f.Add([]byte("\x02\x40\x00\x05\x04\x00\x06\x03\x10\x08\x02\x09\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		steps := len(in)
		compare(t, steps, func(n int) int {
			if len(in) == 0 {
				return 0
			}
			b := in[0]
			in = in[1:]
			return int(b) % n
		})
	})
}
