package outbox

import "encoding/binary"

// AppendBatch adds an encoded abi.Batch to the Records of a block. One batch
// is bounded by what may cross the wall; a step that a converter has expanded
// may need several, and they are still one commit.
func AppendBatch(records, batch []byte) []byte {
	records = binary.AppendUvarint(records, uint64(len(batch)))
	return append(records, batch...)
}

// CutBatch is the first batch of a block's Records, and those behind it; both
// alias records. ok is false at the end, and at damage.
func CutBatch(records []byte) (batch, rest []byte, ok bool) {
	n, w := binary.Uvarint(records)
	if w <= 0 || n > uint64(len(records)-w) {
		return nil, nil, false
	}
	end := w + int(n) //nolint:gosec // within the slice
	return records[w:end:end], records[end:], true
}
