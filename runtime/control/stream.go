package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// endOfBlock is an index behind every record of a block.
const endOfBlock = 1 << 16

// Stream starts reading the tenant's records, the durable ones only, oldest
// first.
func (t *Tenant) Stream(ctx context.Context, o StreamOptions) (*Stream, error) {
	if err := t.may(ctx, identity.Stream, identity.Read); err != nil {
		return nil, err
	}
	s := &Stream{log: t.runtime.Outbox(), place: o.After, only: o.Topic != "", until: o.Until}
	if o.ToNow && o.Until == nil {
		s.until = new(s.log.Head())
	}
	if err := s.narrow(ctx, t, o); err != nil {
		return nil, err
	}
	from := uint64(1)
	switch o.After {
	case "", "start":
	case "now":
		head := s.log.Head()
		from, s.place = head+1, ""
		if head > 0 {
			s.place = position(head, endOfBlock)
		}
	default:
		at, err := parsePosition(o.After)
		if err != nil {
			return nil, err
		}
		if head := s.log.Head(); at.Block > head {
			return nil, fault.New(fault.Invalid, "position %s is behind the end of the stream, which is at block %d", o.After, head).
				WithHint("start at \"now\"; the server's data is not that which the position was taken from")
		}
		from, s.skip, s.skipIn = at.Block, at.Index+1, at.Block
	}
	s.reader = s.log.Reader(from)
	s.read = max(from, s.log.First()) - 1
	return s, nil
}

// topicPrefix and the name of a connector are the topic of its events.
const topicPrefix = "/sources/"

// narrow leaves what the options ask for.
func (s *Stream) narrow(ctx context.Context, t *Tenant, o StreamOptions) error {
	if o.Topics || s.only {
		s.topics = &topics{space: t.space, known: map[string]topic{}}
	}
	wanted := []string{o.Connector}
	if s.only {
		name, ok := strings.CutPrefix(o.Topic, topicPrefix)
		if !ok || name == "" {
			return fault.New(fault.Invalid, "topic: %.300q is not %s and the name of a connector", o.Topic, topicPrefix)
		}
		wanted = append(wanted, name)
	}
	for _, name := range wanted {
		if name == "" {
			continue
		}
		v, err := t.Connector(ctx, name)
		if err != nil {
			return err
		}
		if s.connector != "" && s.connector != v.ID {
			return fault.New(fault.Invalid, "the topic %.300q is not that of the connector %.300q", o.Topic, o.Connector)
		}
		s.connector = v.ID
	}
	return nil
}

func parsePosition(text string) (at delivery.Position, err error) {
	if at.UnmarshalText([]byte(text)) != nil || at.Index > endOfBlock {
		return at, fault.New(fault.Invalid, "%.100q is no position of the stream", text).
			WithHint("use the position of a record, \"start\" or \"now\"")
	}
	return at, nil
}

func position(block uint64, index int) string {
	return delivery.Position{Block: block, Index: index}.String()
}

// Stream reads records. It is used by one goroutine.
type Stream struct {
	log       *outbox.Log
	reader    *outbox.Reader
	connector string  // "": all
	only      bool    // events alone
	topics    *topics // nil: nobody asks for them

	block  *outbox.Block
	rest   []byte // the block's batches behind this one
	batch  abi.Batch
	index  int // of the next record in batch
	base   int // records of the block before this batch
	skip   int // records to leave out in block skipIn
	skipIn uint64
	place  string
	until  *uint64 // nil: it has no end
	read   uint64  // the last block that was read, or is missing
}

// Until is the last block that is read; nil: the stream has no end. A stream that goes
// on where this one stood ends there, too.
func (s *Stream) Until() *uint64 { return s.until }

// Next waits for the next record. What a record refers to is valid until the
// next call. Blocks that retention has taken, and records that cannot be read,
// come as one record of the kind gap.
func (s *Stream) Next(ctx context.Context) (Record, error) {
	for s.block == nil || s.index >= len(s.batch.Records) {
		ok, damaged := s.nextBatch()
		if damaged != nil {
			return s.missing(&outbox.Gap{From: s.block.Seq, To: s.block.Seq, Reason: outbox.GapDamaged}), nil //nolint:nilerr // the record says it
		}
		if ok {
			break
		}
		if s.until != nil && s.read >= *s.until {
			return Record{}, io.EOF
		}
		b, err := s.reader.Next(ctx)
		if gap, ok := errors.AsType[*outbox.Gap](err); ok {
			return s.missing(gap), nil
		}
		if err != nil {
			return Record{}, err
		}
		s.open(b)
	}
	i := s.index
	s.index++
	s.pass()
	r := s.record(i)
	s.place = r.Position
	if s.topics != nil && s.batch.Records[i].Kind == abi.KindEvent {
		r.Topic = s.topics.of(ctx, r.Connector)
	}
	return r, nil
}

// pass moves on to the next record of the batch that is wanted.
func (s *Stream) pass() {
	for s.only && s.index < len(s.batch.Records) && s.batch.Records[s.index].Kind != abi.KindEvent {
		s.index++
	}
}

// open starts on a block, unless nothing of it is wanted.
func (s *Stream) open(b *outbox.Block) {
	s.block, s.rest, s.index, s.base, s.read = b, nil, 0, 0, b.Seq
	s.batch.Records = s.batch.Records[:0]
	if b.Count > 0 && (s.connector == "" || s.connector == b.Connector) {
		s.rest = b.Records
	}
}

// nextBatch decodes the block's next batch that has a record which is wanted;
// false: there is none. A batch that cannot be decoded ends its block.
func (s *Stream) nextBatch() (ok bool, damaged error) {
	for {
		batch, rest, ok := outbox.CutBatch(s.rest)
		if !ok {
			return false, nil
		}
		s.base, s.index, s.rest = s.base+len(s.batch.Records), 0, rest
		if err := s.batch.Decode(batch); err != nil {
			s.batch.Records, s.rest = s.batch.Records[:0], nil
			return false, err
		}
		if s.skipIn == s.block.Seq {
			s.index = min(max(s.skip-s.base, 0), len(s.batch.Records))
		}
		s.pass()
		if s.index < len(s.batch.Records) {
			return true, nil
		}
	}
}

func (s *Stream) record(i int) Record {
	b := s.block
	at := s.base + i
	r := recordForm(&s.batch.Records[i], b.Connector, b.Epoch, b.First+uint64(at), b.Received)
	r.Position = position(b.Seq, at)
	return r
}

// recordForm is a record as it is shown, without its position. received is in unix ns.
func recordForm(r *abi.Record, connector string, epoch, sequence uint64, received int64) Record {
	return Record{
		Key: fmt.Sprintf("%s/%d/%d", connector, epoch, sequence), Connector: connector, Epoch: epoch, Sequence: sequence,
		Device: r.Device, Kind: r.Kind.String(),
		Time: time.Unix(0, r.Time).UTC(), Received: time.Unix(0, received).UTC(),
		Points: r.Points, Content: r.ContentType, Payload: r.Payload, Headers: r.Headers, SourceKey: r.SourceKey,
	}
}

func (s *Stream) missing(g *outbox.Gap) Record {
	s.block, s.rest, s.read = nil, nil, g.To
	s.place = position(g.To, endOfBlock)
	now := time.Now().UTC()
	return Record{
		Position: position(g.To, endOfBlock), Key: fmt.Sprintf("gap/%d/%d", g.From, g.To),
		Kind: abi.KindGap.String(), Time: now, Received: now, Content: "application/json",
		Payload: fmt.Appendf(nil, `{"from_block":%d,"to_block":%d,"reason":%q}`, g.From, g.To, g.Reason),
	}
}

// Pending reports whether Next returns at once for certain. What the log holds
// behind this block does not count: it may all be filtered out.
func (s *Stream) Pending() bool { return s.block != nil && s.index < len(s.batch.Records) }

// Place is where another stream goes on behind what this one has given: its
// After. It is "" at the very start.
func (s *Stream) Place() string { return s.place }

// Close ends the reading.
func (s *Stream) Close() error { return s.reader.Close() }
