package abi

import "strconv"

// DeliverInput is handed to deliver: records of the tenant's connectors on
// their way out, in the order in which they became durable, MaxItems at most in
// all parts together. The verdicts of the answer count through the records of
// all parts.
//
// A record is handed in at least once. Ok, skip and reject settle it; retry
// holds it and all records after it, whatever was said of those, so that they
// are handed in again in the same order.
type DeliverInput struct {
	Parts []DeliverPart
	// Wait asks for an answer without tickets (see Ticket): what was put under way for
	// these records, or for some before them, did not end well, or not in time. Records
	// behind those, which were handed in before as well, may come without it.
	Wait bool
}

// DeliverPart is a batch with where it comes from. The batch may hold records
// of KindGap, which the host writes.
type DeliverPart struct {
	Connector string // its name, which may become another
	ID        string // the connector's, which does not
	Lane      string // the device or endpoint of the guest that made it; empty: it serves all
	Epoch     uint64 // which start of the connector made it
	First     uint64 // sequence of the batch's first record
	Received  int64  // when it became durable, unix ns
	Batch     Batch
}

// Count is the number of records in all parts.
func (i *DeliverInput) Count() int {
	n := 0
	for at := range i.Parts {
		n += len(i.Parts[at].Batch.Records)
	}
	return n
}

// Key is the idempotency key of the part's record number i: the connector's id,
// epoch and sequence, of which no two records have the same, and which is the
// same each time that the record is handed in, and wherever else it is shown.
func (p *DeliverPart) Key(i int) string {
	return string(p.AppendKey(make([]byte, 0, len(p.ID)+42), i))
}

// AppendKey adds the idempotency key of the part's record number i to dst.
func (p *DeliverPart) AppendKey(dst []byte, i int) []byte {
	dst = append(dst, p.ID...)
	dst = strconv.AppendUint(append(dst, '/'), p.Epoch, 10)
	return strconv.AppendUint(append(dst, '/'), p.First+uint64(i), 10)
}
