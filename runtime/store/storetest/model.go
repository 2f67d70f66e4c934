package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// model runs random updates and compares what the store shows with a plain
// map after each. The names are short and of few bytes, zero bytes among them,
// so that any two that could run into each other soon do.
func model(t *testing.T, open func(t *testing.T) store.Store) {
	s := opened(t, open)
	spaces := []store.Space{s.System(), tenant(t, s, "a"), tenant(t, s, "a-"), tenant(t, s, "kv")}
	m := modelStore{} // one store and one model for all runs: the state piles up
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.IntRange(0, len(spaces)-1).Draw(rt, "space")
		staged := maps.Clone(m)
		abort := rapid.Bool().Draw(rt, "abort")
		err := spaces[at].Update(t.Context(), func(w store.Writer) error {
			for range rapid.IntRange(1, 6).Draw(rt, "writes") {
				modelWrite(rt, w, staged, at)
			}
			if abort {
				return errFn
			}
			return nil
		})
		if abort != errors.Is(err, errFn) || !abort && err != nil {
			rt.Fatalf("update: %v", err)
		}
		if !abort {
			m = staged
		}
		for at, space := range spaces {
			err := space.View(t.Context(), func(r store.Reader) error { modelCompare(rt, r, m, at); return nil })
			if err != nil {
				rt.Fatal(err)
			}
		}
	})
}

type modelKey struct {
	space  int
	bucket store.Bucket
	id     string
}

type modelRow struct {
	value   string
	version uint64
	live    bool
}

type modelStore map[modelKey]modelRow

func modelID(rt *rapid.T, label string) string {
	return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, '-', 'a', 0xff}), 1, 3).Draw(rt, label))
}

func modelBuckets() []store.Bucket {
	return []store.Bucket{store.Connectors, store.ConnectorNames, store.KV}
}

func modelWrite(rt *rapid.T, w store.Writer, m modelStore, at int) {
	k := modelKey{at, rapid.SampledFrom(modelBuckets()).Draw(rt, "bucket"), modelID(rt, "id")}
	row := m[k]
	value := rapid.StringN(0, 3, -1).Draw(rt, "value")
	next := modelRow{value, row.version + 1, true}
	switch rapid.SampledFrom([]string{"put", "put", "as", "if", "delete"}).Draw(rt, "what") {
	case "put":
		if v, err := w.Put(k.bucket, k.id, []byte(value)); err != nil || v != next.version {
			rt.Fatalf("put %q: version %d, %v; want %d", k.id, v, err, next.version)
		}
	case "as":
		next.version += rapid.Uint64Range(0, 3).Draw(rt, "further")
		if err := w.PutAs(k.bucket, k.id, []byte(value), next.version); err != nil {
			rt.Fatalf("put %q as version %d: %v", k.id, next.version, err)
		}
	case "if":
		version := rapid.Uint64Range(0, row.version+1).Draw(rt, "version")
		_, err := w.PutIf(k.bucket, k.id, []byte(value), version)
		ok := version == 0 && !row.live || version != 0 && row.live && row.version == version
		if ok != (err == nil) {
			rt.Fatalf("put %q if at %d: %v; it is %+v", k.id, version, err, row)
		}
		if !ok {
			return
		}
	case "delete":
		err := w.Delete(k.bucket, k.id)
		if row.live != (err == nil) || !row.live && !fault.Is(err, fault.NotFound) {
			rt.Fatalf("delete %q: %v; it is %+v", k.id, err, row)
		}
		if !row.live {
			return
		}
		next = modelRow{version: row.version + 1}
	}
	m[k] = next
}

func modelCompare(rt *rapid.T, r store.Reader, m modelStore, at int) {
	prefix := modelID(rt, "prefix")[1:]
	after := modelID(rt, "after")[1:]
	limit := rapid.IntRange(1, 20).Draw(rt, "limit")
	for _, b := range modelBuckets() {
		var want []store.Entry
		for k, row := range m {
			if k.space == at && k.bucket == b && row.live && strings.HasPrefix(k.id, prefix) && k.id > after {
				want = append(want, store.Entry{ID: k.id, Value: []byte(row.value), Version: row.version})
			}
		}
		slices.SortFunc(want, func(a, b store.Entry) int { return strings.Compare(a.ID, b.ID) })
		want = want[:min(limit, len(want))]
		got, err := r.List(b, prefix, after, limit)
		same := slices.EqualFunc(got, want, func(a, b store.Entry) bool {
			return a.ID == b.ID && string(a.Value) == string(b.Value) && a.Version == b.Version
		})
		if err != nil || !same {
			rt.Fatalf("list %s %q after %q: got %v, %v; want %v", b, prefix, after, got, err, want)
		}
	}
}
