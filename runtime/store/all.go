package store

import (
	"context"
	"iter"
)

// All yields every entry whose id begins with prefix, in the order of the
// ids, a page at a time. It ends after the first error.
func All(r Reader, b Bucket, prefix string) iter.Seq2[Entry, error] {
	const page = MaxPage / MaxValue // so that no page can be too large
	return func(yield func(Entry, error) bool) {
		for after := ""; ; {
			entries, err := r.List(b, prefix, after, page)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
			if len(entries) < page {
				return
			}
			after = entries[len(entries)-1].ID
		}
	}
}

// Empty deletes every entry of a space whose id begins with prefix, a
// transaction's worth at a time: what an error leaves is deleted by the next
// call.
func Empty(ctx context.Context, s Space, b Bucket, prefix string) error {
	const batch = MaxPage / MaxValue // so that no page can be too large
	for n := batch; n == batch; {
		err := s.Update(ctx, func(w Writer) error {
			entries, err := w.List(b, prefix, "", batch)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if err := w.Delete(b, e.ID); err != nil {
					return err
				}
			}
			n = len(entries)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
