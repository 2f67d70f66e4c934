package kafka

import (
	"encoding/binary"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of what answers hold.
const (
	mostBrokers = 10_000
	mostTopics  = 8 // a session asks for one
	mostTag     = 64 << 10
	mostTags    = 64
)

// errAnswer is what is said of an answer that does not hold what it claims.
func errAnswer(of string) error {
	return fault.New(fault.TooLarge, "a broker's answer to %s holds more than is read, or claims to: at most %d brokers, and %d partitions of one topic", of, mostBrokers, maxPartitions)
}

// fetched sifts an answer to Fetch, with its length in front. Its lists are
// what they claim, or it is refused.
func (s *sieve) fetched(frame []byte, version int16) ([]byte, error) {
	compact := version >= 12
	in := scan{src: frame[4:]}
	in.skip(4)
	in.tags(compact)
	in.since(version, 1, 4)
	in.since(version, 7, 6)
	out := make([]byte, 4, len(frame))
	aborted := int64(maxAborted)
	done := in.src // from here on it is not yet in out
	out = append(out, frame[4:len(frame)-len(in.src)]...)
	for range in.list(compact, mostTopics) {
		if version >= 13 {
			in.skip(16)
		} else {
			in.text(compact)
		}
		for range in.list(compact, maxPartitions) {
			in.skip(4 + 2 + 8)
			in.since(version, 4, 8)
			in.since(version, 5, 8)
			if version >= 4 {
				for range in.list(compact, aborted) {
					aborted--
					in.skip(16)
					in.tags(compact)
				}
			}
			in.since(version, 11, 4)
			out = append(out, done[:len(done)-len(in.src)]...)
			records := in.bytes(compact)
			done = in.src
			at := len(out)
			if out = s.batches(out, records); compact {
				out = insertUvarint(out, at, uint64(len(out)-at)+1)
			} else {
				out = append(out, 0, 0, 0, 0)
				copy(out[at+4:], out[at:])
				binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
			}
			in.tags(compact)
		}
		in.tags(compact)
	}
	in.tags(compact)
	if in.bad {
		return nil, errAnswer("Fetch")
	}
	out = append(out, done...)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}

// maxAborted bounds the transactions that a fetch says were given up.
const maxAborted = 100_000

// insertUvarint puts n in front of out[at:].
func insertUvarint(out []byte, at int, n uint64) []byte {
	var head [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(head[:], n)
	out = append(out, head[:size]...)
	copy(out[at+size:], out[at:])
	copy(out[at:], head[:size])
	return out
}

// checkMetadata refuses an answer to Metadata whose lists are longer than the
// library should make anything of, or than what is there.
func checkMetadata(body []byte, version int16) error {
	compact := version >= 9
	in := scan{src: body}
	in.skip(4)
	in.tags(compact)
	in.since(version, 3, 4)
	for range in.list(compact, mostBrokers) {
		in.skip(4)
		if len(in.text(compact)) > maxAddress {
			return errAnswer("Metadata")
		}
		in.skip(4)
		if version >= 1 {
			in.text(compact)
		}
		in.tags(compact)
	}
	if version >= 2 {
		in.text(compact)
	}
	in.since(version, 1, 4)
	for range in.list(compact, mostTopics) {
		in.skip(2)
		in.text(compact)
		in.since(version, 10, 16)
		in.since(version, 1, 1)
		for range in.list(compact, maxPartitions) {
			in.skip(2 + 4 + 4)
			in.since(version, 7, 4)
			in.numbers(compact)
			in.numbers(compact)
			if version >= 5 {
				in.numbers(compact)
			}
			in.tags(compact)
		}
		in.since(version, 8, 4)
		in.tags(compact)
	}
	if in.bad {
		return errAnswer("Metadata")
	}
	return nil
}

// scan reads what Kafka writes. Once something is not there it is bad, and
// answers zeros.
type scan struct {
	src []byte
	bad bool
}

func (s *scan) skip(n int64) []byte {
	if n < 0 || n > int64(len(s.src)) {
		s.src, s.bad = nil, true
		return nil
	}
	b := s.src[:n]
	s.src = s.src[n:]
	return b
}

// since skips what is there from a version on.
func (s *scan) since(version, first int16, n int64) {
	if version >= first {
		s.skip(n)
	}
}

func (s *scan) int32() int32 {
	b := s.skip(4)
	if b == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(b)) //nolint:gosec // it is signed
}

func (s *scan) varint() int64 {
	n, used := binary.Varint(s.src)
	if used <= 0 {
		s.src, s.bad = nil, true
		return 0
	}
	s.src = s.src[used:]
	return n
}

func (s *scan) uvarint() int64 {
	n, used := binary.Uvarint(s.src)
	if used <= 0 || n > 1<<31 {
		s.src, s.bad = nil, true
		return 0
	}
	s.src = s.src[used:]
	return int64(n)
}

// list is the length of a list, which is bad beyond most.
func (s *scan) list(compact bool, most int64) int64 {
	n := int64(-1)
	if compact {
		n += s.uvarint()
	} else {
		n = int64(s.int32())
	}
	if n > most || n > int64(len(s.src)) {
		s.src, s.bad = nil, true
	}
	if s.bad {
		return 0
	}
	return max(0, n)
}

func (s *scan) numbers(compact bool) { s.skip(4 * s.list(compact, maxMetadata)) }

func (s *scan) text(compact bool) []byte {
	if compact {
		return s.skip(max(0, s.uvarint()-1))
	}
	if b := s.skip(2); b != nil {
		return s.skip(max(0, int64(int16(binary.BigEndian.Uint16(b))))) //nolint:gosec // it is signed
	}
	return nil
}

func (s *scan) bytes(compact bool) []byte {
	if compact {
		return s.skip(max(0, s.uvarint()-1))
	}
	return s.skip(max(0, int64(s.int32())))
}

func (s *scan) tags(compact bool) {
	if !compact {
		return
	}
	n := s.uvarint()
	if n > mostTags {
		s.src, s.bad = nil, true
	}
	for ; n > 0 && !s.bad; n-- {
		s.uvarint()
		size := s.uvarint()
		if size > mostTag {
			s.src, s.bad = nil, true
		}
		s.skip(size)
	}
}
