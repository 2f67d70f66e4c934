package main

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// place is how far a topic was read, by what the outbox has: the group's offsets
// are committed a little later, and what lies between comes again after a crash.
// As a cursor it is a text: the group and the topic's ID, and partitions with the
// offsets that are due, as in "rail/AAE 0:17 2:4".
type place struct {
	group string // escaped
	topic string
	due   map[uint32]uint64
	moved bool
}

// repeats bounds how many records of a partition may come again. Whoever has more
// of them come has moved the group back, to read them once more.
const repeats = 1 << 16

// readPlace reads a cursor. That of another group says nothing of this one.
func readPlace(cursor []byte, group string) place {
	p := place{group: url.QueryEscape(group), due: map[uint32]uint64{}}
	for i, part := range strings.Split(string(cursor), " ") {
		if i == 0 {
			of, topic, _ := strings.Cut(part, "/")
			if of != p.group {
				break
			}
			p.topic = topic
			continue
		}
		number, offset, _ := strings.Cut(part, ":")
		partition, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			continue
		}
		if due, err := strconv.ParseUint(offset, 10, 64); err == nil {
			p.due[uint32(partition)] = due
		}
	}
	return p
}

// has reports whether a record lies before the place. In a cluster whose topics
// have no IDs nobody can tell: a topic may have been made anew.
func (p *place) has(m *abi.KafkaRecord) bool {
	due := p.due[m.Partition]
	if m.TopicID == "" || m.TopicID != p.topic || m.Offset >= due {
		return false
	}
	if due-m.Offset > repeats {
		delete(p.due, m.Partition)
		return false
	}
	return true
}

// pass moves the place behind a record.
func (p *place) pass(m *abi.KafkaRecord) {
	if m.TopicID != p.topic {
		p.topic, p.due = m.TopicID, map[uint32]uint64{}
	}
	p.due[m.Partition], p.moved = m.Offset+1, true
}

func (p *place) append(dst []byte) []byte {
	dst = append(append(append(dst, p.group...), '/'), p.topic...)
	var partitions []uint32
	for partition := range p.due {
		partitions = append(partitions, partition)
	}
	slices.Sort(partitions)
	for _, partition := range partitions {
		dst = strconv.AppendUint(append(dst, ' '), uint64(partition), 10)
		dst = strconv.AppendUint(append(dst, ':'), p.due[partition], 10)
	}
	return dst
}
