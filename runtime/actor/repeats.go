package actor

import (
	"context"
	"hash/maphash"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxSourceKeys is the window of a lane: so many of its newest source keys are
// known, and a record with one of them is a repeat.
const maxSourceKeys = 4096

// KeyReader is a Host that can say which source keys the lane's newest records
// have, so that a repeat is known as one after a restart too.
type KeyReader interface {
	// SourceKeys answers at most so many, the oldest first.
	SourceKeys(ctx context.Context, most int) ([]string, error)
}

// repeats finds the records that a source hands over a second time, by their
// source keys. It keeps hashes of 128 bits under seeds that nobody outside of the
// process knows, so that no source can make two keys look alike.
type repeats struct {
	seeds [2]maphash.Seed
	known map[sourceKey]struct{} // nil: the log has not been asked yet
	ring  []sourceKey            // of what is known, the oldest at next once it is full
	next  int
	fresh []sourceKey // of the step, until it is durable

	in, out abi.Batch
	encoded []byte
}

type sourceKey [2]uint64

func (r *repeats) hash(key string) sourceKey {
	return sourceKey{maphash.String(r.seeds[0], key), maphash.String(r.seeds[1], key)}
}

// begin makes the window what the host remembers.
func (r *repeats) begin(ctx context.Context, host Host) error {
	if r.known != nil {
		return nil
	}
	var keys []string
	if reader, ok := host.(KeyReader); ok {
		var err error
		if keys, err = reader.SourceKeys(ctx, maxSourceKeys); err != nil {
			return err
		}
	}
	r.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	r.known = make(map[sourceKey]struct{}, len(keys))
	for _, key := range keys {
		r.fresh = append(r.fresh, r.hash(key))
	}
	r.keep()
	return nil
}

// keep takes the keys of a step that is durable into the window.
func (r *repeats) keep() {
	for _, k := range r.fresh {
		if _, ok := r.known[k]; ok {
			continue
		}
		r.known[k] = struct{}{}
		if len(r.ring) < maxSourceKeys {
			r.ring = append(r.ring, k)
			continue
		}
		delete(r.known, r.ring[r.next])
		r.ring[r.next] = k
		r.next = (r.next + 1) % maxSourceKeys
	}
	r.fresh = r.fresh[:0]
}

// first leaves out of the view's batch what came before, and answers how many
// records are left.
func (l *lane) first(ctx context.Context, records int) (left int, err error) {
	r := &l.repeats
	r.fresh = r.fresh[:0]
	if !abi.HasSourceKeys(l.view.Batch) {
		return records, nil
	}
	if err := r.begin(ctx, l.cfg.Host); err != nil {
		return 0, err
	}
	if err := r.in.Decode(l.view.Batch); err != nil {
		return 0, fault.Wrap(fault.Guest, err, "the records cannot be read")
	}
	r.out.Records = r.out.Records[:0]
	step := make(map[sourceKey]struct{}, records)
	for i := range r.in.Records {
		if text := r.in.Records[i].SourceKey; text != "" {
			k := r.hash(text)
			_, known := r.known[k]
			_, twice := step[k]
			if known || twice {
				continue
			}
			step[k] = struct{}{}
			r.fresh = append(r.fresh, k)
		}
		r.out.Records = append(r.out.Records, r.in.Records[i])
	}
	if left = len(r.out.Records); left < records {
		r.encoded = r.out.Append(r.encoded[:0])
		l.view.Batch = r.encoded
	}
	return left, nil
}
