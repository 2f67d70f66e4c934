package twin

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Sample is one reading of a tag's history.
type Sample struct {
	Value   abi.Value
	JSON    bool
	Quality uint32
	Time    int64 // unix ns: the device's, as far as that can be; see Reading.At
}

// Raw is the value in JSON, as Reading.Raw has it.
func (s Sample) Raw() json.RawMessage { return Reading{Value: s.Value, JSON: s.JSON}.Raw() }

// sampleBytes is what one takes beside its text.
const sampleBytes = 56

// past is the history of a tag, in the order in which it came.
type past struct {
	ring  []Sample
	first int // of the oldest, once the ring is full
	bytes int
}

// add puts a sample in, and takes the oldest out when there are points of them
// already or no room is left. It answers how many bytes more it has.
func (p *past) add(s Sample, points, room int) (grown int, ok bool) {
	before, need := p.bytes, sampleBytes+weight(s.Value)
	if len(p.ring) > points { // there are more tags by now, and each has less
		for _, old := range p.ordered()[:len(p.ring)-points] {
			p.bytes -= sampleBytes + weight(old.Value)
		}
		p.ring, p.first = slices.Clone(p.ordered()[len(p.ring)-points:]), 0
		room += before - p.bytes
	}
	if len(p.ring) < points && need <= room {
		if p.first > 0 { // it was full, and is longer now
			p.ring, p.first = p.ordered(), 0
		}
		p.ring = append(p.ring, s)
		p.bytes += need
		return p.bytes - before, true
	}
	if len(p.ring) == 0 {
		return 0, false
	}
	old := &p.ring[p.first]
	if weight(s.Value)-weight(old.Value) > room {
		return p.bytes - before, false
	}
	p.bytes += weight(s.Value) - weight(old.Value)
	*old = s
	p.first = (p.first + 1) % len(p.ring)
	return p.bytes - before, true
}

// ordered are the samples, the oldest first.
func (p *past) ordered() []Sample {
	return slices.Concat(p.ring[p.first:], p.ring[:p.first])
}

// trim drops what came before a time, and answers by how much that is less.
func (p *past) trim(oldest int64) (shrunk int) {
	if !slices.ContainsFunc(p.ring, func(s Sample) bool { return s.Time < oldest }) {
		return 0
	}
	left := make([]Sample, 0, len(p.ring))
	for i := range p.ring {
		if s := p.ring[(p.first+i)%len(p.ring)]; s.Time >= oldest {
			left = append(left, s)
			continue
		}
		shrunk += sampleBytes + weight(p.ring[(p.first+i)%len(p.ring)].Value)
	}
	p.ring, p.first = slices.Clip(left), 0
	p.bytes -= shrunk
	return shrunk
}

// since are the samples of the time from then on, by their time: the newest
// ones, at most limit of them.
func (p *past) since(then time.Time, limit int) []Sample {
	all := make([]Sample, 0, len(p.ring))
	for i := range p.ring {
		if s := p.ring[(p.first+i)%len(p.ring)]; then.IsZero() || s.Time >= then.UnixNano() {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b Sample) int {
		switch {
		case a.Time < b.Time:
			return -1
		case a.Time > b.Time:
			return 1
		}
		return 0
	})
	return all[max(0, len(all)-limit):]
}
