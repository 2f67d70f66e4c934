package main

import (
	"fmt"
	"slices"
)

// read is one request for items that stand near each other.
type read struct {
	function byte
	address  int
	count    int
	items    []int  // by their place
	quality  uint32 // that was told last; 0: good
}

func (r *read) String() string {
	names := map[byte]string{readCoils: "coils", readDiscrete: "discrete inputs", readHolding: "holding registers", readInput: "input registers"}
	if r.count == 1 {
		return fmt.Sprintf("%s %d", names[r.function], r.address)
	}
	return fmt.Sprintf("%s %d to %d", names[r.function], r.address, r.address+r.count-1)
}

func (r *read) bits() bool { return r.function == readCoils || r.function == readDiscrete }

func (r *read) request() []byte { return readRequest(r.function, r.address, r.count) }

func (r *read) bytes() int {
	if r.bits() {
		return (r.count + 7) / 8
	}
	return 2 * r.count
}

// answerSize is how long the answer is: function, length, data.
func (r *read) answerSize() int { return 2 + r.bytes() }

// data is what an answer holds.
func (r *read) data(answer []byte) ([]byte, error) {
	if len(answer) != r.answerSize() {
		return nil, damage("it has %d bytes, not %d", len(answer), r.answerSize())
	}
	if int(answer[1]) != r.bytes() {
		return nil, damage("it says that it has %d bytes of data, and not %d", answer[1], r.bytes())
	}
	return answer[2:], nil
}

// cut is the part of the data that is an item's: its registers, or its bits with
// the first one lowest.
func (r *read) cut(it *item, data []byte) []byte {
	from := it.Address - r.address
	if !r.bits() {
		return data[2*from : 2*(from+it.size)]
	}
	out := make([]byte, (it.size+7)/8)
	for i := range it.size {
		if data[(from+i)/8]>>((from+i)%8)&1 == 1 {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// plan puts the items that are polled into as few reads as may be: those of one
// table whose distance is no more than the gap that is let, up to what a request
// may ask for.
func (u *unit) plan() []read {
	var order []int
	for i := range u.items {
		if u.items[i].polled {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := &u.items[a], &u.items[b]
		if x.function != y.function {
			return int(x.function) - int(y.function)
		}
		return x.Address - y.Address
	})
	var reads []read
	for _, i := range order {
		it := &u.items[i]
		if n := len(reads); n > 0 && u.joins(&reads[n-1], it) {
			r := &reads[n-1]
			r.count = max(r.count, it.Address+it.size-r.address)
			r.items = append(r.items, i)
			continue
		}
		reads = append(reads, read{function: it.function, address: it.Address, count: it.size, items: []int{i}})
	}
	return reads
}

func (u *unit) joins(r *read, it *item) bool {
	most, gap := u.MaxRegisters, u.MaxGap
	if r.bits() {
		most, gap = u.MaxBits, u.MaxGap*16
	}
	return r.function == it.function && it.Address-(r.address+r.count) <= gap && it.Address+it.size-r.address <= most
}

// split makes a read of each item of one that the device refused.
func (d *device) split(r *read) {
	var parts []read
	for _, i := range r.items {
		it := &d.items[i]
		parts = append(parts, read{function: it.function, address: it.Address, count: it.size, items: []int{i}})
	}
	at := d.next - 1
	d.reads = slices.Replace(d.reads, at, at+1, parts...)
	d.next, d.left = at, d.left+len(parts)
}
