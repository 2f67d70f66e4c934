package kafka

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What the library makes of what was fetched costs memory: so much for each record
// and header, beside their bytes.
const (
	recordCost = 200
	headerCost = 48
	oldCost    = 200 // more, for a record of the old formats

	// freeCost is what each answer may cost, of which a session has no more than
	// fetches.
	freeCost = 8 << 20
	// batchCost is what one batch may cost: if it is more than freeCost, it has to
	// be within what the tenant may hold. A larger batch is passed over.
	batchCost = 32 << 20
)

// passedOver is the producer of the record that stands for a batch that is too
// large. Real ones have none below -1.
const passedOver = math.MinInt64

// sieve looks through what one fetch brought. It leaves out batches that are too
// much for now, which are fetched again, and puts one record in the place of each
// that is too large at any time. All that is compressed leaves it as it was before.
type sieve struct {
	guard   *guard
	left    int64
	held    int64 // taken from the purse
	passed  bool  // there is a batch in it
	starved bool  // there is one that the purse has no room for
}

const (
	batchHead  = 61 // bytes of a batch before its records
	oldHead    = 18 // bytes of a message of the old formats, at least
	codecs2    = 0x07
	codecsOld  = 0x03
	markerSize = 8
)

// batches sifts the batches of one partition.
func (s *sieve) batches(dst, in []byte) []byte {
	for len(in) > oldHead {
		length := int64(int32(binary.BigEndian.Uint32(in[8:]))) + 12 //nolint:gosec // it is signed
		if length <= oldHead || length > int64(len(in)) {
			break // cut off: the rest comes with the next fetch
		}
		var on bool
		if dst, on = s.batch(dst, in[:length]); !on {
			break
		}
		in = in[length:]
	}
	return dst
}

// batch sifts one batch; on: what is behind it may come too.
func (s *sieve) batch(dst, b []byte) (_ []byte, on bool) {
	if s.passed && s.left <= 0 {
		return dst, false
	}
	var (
		raw  []byte
		cost int64
		err  error
	)
	switch b[16] {
	case 0, 1:
		raw, cost, err = s.weighOld(b)
	case 2:
		if len(b) < batchHead || crc32.Checksum(b[21:], castagnoli()) != binary.BigEndian.Uint32(b[17:]) {
			return append(dst, b...), false // for the library to refuse
		}
		raw, cost, err = s.weigh(b)
	default:
		return append(dst, b...), false // likewise
	}
	switch {
	case errors.Is(err, kgo.ErrMaxDecompress), err == nil && cost > batchCost:
		s.passed = true
		s.left -= maxDecompressed // what it took to find out
		return appendMarker(dst, b), true
	case errors.Is(err, errNotYet):
		return dst, false
	case err != nil:
		return append(dst, b...), false // likewise
	case !s.afford(cost):
		return dst, false
	}
	if b[16] == 2 && (b[22]&codecs2 != 0 || producerOf(b) < -1) {
		return appendPlain(dst, b, raw), true
	}
	return append(dst, b...), true
}

// afford takes what a batch costs. The first one of an answer may cost more than
// is left.
func (s *sieve) afford(cost int64) bool {
	switch beyond := cost - s.left; {
	case beyond <= 0:
	case s.passed:
		return false
	case !s.guard.hold(beyond):
		s.starved = true
		return false
	default:
		s.held += beyond
	}
	s.left -= cost
	s.passed = true
	return true
}

// errNotYet is why a batch cannot be looked into: its client is being made.
var errNotYet = errors.New("not yet")

func (s *sieve) plain(b []byte, codec byte) ([]byte, error) {
	if codec == 0 {
		return b, nil
	}
	d := s.guard.unpack.Load()
	if d == nil {
		return nil, errNotYet
	}
	return (*d).Decompress(b, kgo.CompressionCodecType(codec)) //nolint:gosec // three bits
}

// weigh is what a batch holds, and costs.
func (s *sieve) weigh(b []byte) (raw []byte, cost int64, err error) {
	if raw, err = s.plain(b[batchHead:], b[22]&codecs2); err != nil {
		return nil, 0, err
	}
	claimed := int64(int32(binary.BigEndian.Uint32(b[57:]))) //nolint:gosec // it is signed
	n := max(0, min(claimed, int64(len(raw))))               // as the library has it
	if cost = int64(len(raw)) + n*recordCost; cost <= batchCost {
		cost += headersIn(raw, n) * headerCost
	}
	return raw, cost, nil
}

// headersIn is how many headers the library makes room for.
func headersIn(raw []byte, records int64) (n int64) {
	for s := (scan{src: raw}); records > 0 && len(s.src) > 0; records-- {
		size := s.varint()
		if size < 0 || size > int64(len(s.src)) {
			return n
		}
		r := scan{src: s.src[:size]}
		s.src = s.src[size:]
		r.skip(1)
		r.varint()
		r.varint()
		r.skip(max(0, r.varint())) // its key
		r.skip(max(0, r.varint())) // and value
		if h := r.varint(); !r.bad && h > 0 && h <= int64(len(r.src)) {
			n += h
		}
	}
	return n
}

// weighOld is the same for the formats before Kafka 0.11.
func (s *sieve) weighOld(b []byte) (raw []byte, cost int64, err error) {
	in := scan{src: b[oldHead:]}
	if b[16] == 1 {
		in.skip(8)
	}
	in.skip(max(0, int64(in.int32())))
	size := int64(in.int32())
	if in.bad || size > int64(len(in.src)) {
		return b, int64(len(b)) + recordCost, nil
	}
	value := in.src[:max(0, size)]
	cost = int64(len(b)) + recordCost + oldCost
	codec := b[17] & codecsOld
	if raw, err = s.plain(value, codec); err != nil || codec == 0 {
		return raw, cost, err
	}
	cost += int64(len(raw))
	for len(raw) > oldHead {
		length := int64(int32(binary.BigEndian.Uint32(raw[8:]))) + 12 //nolint:gosec // it is signed
		if length <= oldHead || length > int64(len(raw)) {
			break
		}
		cost += recordCost + oldCost
		raw = raw[length:]
	}
	return raw, cost, nil
}

func producerOf(b []byte) int64 { return int64(binary.BigEndian.Uint64(b[43:])) } //nolint:gosec // as it is written

// appendPlain adds a batch with its records as they were before they were
// compressed.
func appendPlain(dst, b, raw []byte) []byte {
	at := len(dst)
	dst = append(append(dst, b[:batchHead]...), raw...)
	dst[at+22] &^= codecs2
	if producerOf(b) < -1 {
		binary.BigEndian.PutUint64(dst[at+43:], math.MaxUint64)
	}
	return sealBatch(dst, at)
}

// appendMarker adds a batch of one record, at the last offset of b, which stands
// for all of b.
func appendMarker(dst, b []byte) []byte {
	at, behind := len(dst), int32(0)
	dst = append(dst, b[:8]...)
	dst = append(dst, make([]byte, batchHead-8)...)
	h := dst[at:]
	h[16] = 2
	if b[16] == 2 {
		copy(h[12:16], b[12:16])                        // the leader's epoch
		copy(h[23:43], b[23:43])                        // how far it goes, and its times
		behind = int32(binary.BigEndian.Uint32(b[23:])) //nolint:gosec // as it is written
	} else {
		binary.BigEndian.PutUint32(h[12:], math.MaxUint32)
	}
	binary.BigEndian.PutUint64(h[43:], 1<<63) // passedOver
	binary.BigEndian.PutUint16(h[51:], math.MaxUint16)
	binary.BigEndian.PutUint32(h[53:], math.MaxUint32)
	binary.BigEndian.PutUint32(h[57:], 1)
	record := binary.AppendVarint([]byte{0, 0}, int64(behind)) // no attributes; the first's time
	record = binary.AppendVarint(record, -1)                   // no key
	record = binary.AppendVarint(record, markerSize)
	record = append(record, b[:8]...) // where it begins
	record = binary.AppendVarint(record, 0)
	dst = append(binary.AppendVarint(dst, int64(len(record))), record...)
	return sealBatch(dst, at)
}

// sealBatch sets the length and the sum of the batch at dst[at:].
func sealBatch(dst []byte, at int) []byte {
	b := dst[at:]
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli()))
	return dst
}

// castagnoli is the polynomial of the sums; the package makes its table once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
