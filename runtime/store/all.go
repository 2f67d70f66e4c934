package store

import "iter"

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
