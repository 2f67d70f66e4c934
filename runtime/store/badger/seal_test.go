package badger

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

func TestSeal(t *testing.T) {
	s := newSeal(Key{1})
	rapid.Check(t, func(t *rapid.T) {
		row := store.Row{
			ID:      "id",
			Version: rapid.Uint64().Draw(t, "version"),
			Deleted: rapid.Bool().Draw(t, "deleted"),
		}
		if !row.Deleted {
			row.Value = rapid.SliceOf(rapid.Byte()).Draw(t, "value")
		}
		key := rowKey("a", store.KV, row.ID)
		sealed := s.close(key, row)
		got, err := s.open(key, row.ID, sealed)
		if err != nil || got.Version != row.Version || got.Deleted != row.Deleted || !bytes.Equal(got.Value, row.Value) {
			t.Fatalf("got %+v, %v; want %+v", got, err, row)
		}
		if bytes.Equal(sealed, s.close(key, row)) {
			t.Fatal("a nonce came twice")
		}

		wrong := bytes.Clone(sealed)
		at := rapid.IntRange(0, len(wrong)-1).Draw(t, "flipped byte")
		wrong[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "flipped bit")
		refused(t, s, key, wrong)
		refused(t, s, key, sealed[:at])
		refused(t, newSeal(Key{2}), key, sealed)
		for _, other := range [][]byte{
			rowKey("b", store.KV, row.ID), rowKey("", store.KV, row.ID),
			rowKey("a", store.Devices, row.ID), rowKey("a", store.KV, row.ID+"\x00"),
		} {
			refused(t, s, other, sealed)
		}
	})
}

func refused(t *rapid.T, s *seal, key, sealed []byte) {
	if _, err := s.open(key, "id", sealed); !fault.Is(err, fault.Integrity) {
		t.Fatalf("opened %x under %q: %v", sealed, key, err)
	}
}

// TestRowKey: different rows have different keys, no bucket lies inside
// another, and keys sort as ids do.
func TestRowKey(t *testing.T) {
	spaces := rapid.StringMatching(`([a-z0-9-]{1,3})?`)
	buckets := rapid.SampledFrom(store.Buckets())
	ids := rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, '-', 'a', 'k', 'v', 0xff}), 0, 6).Draw(t, "id"))
	})
	rapid.Check(t, func(t *rapid.T) {
		s1, b1, i1 := spaces.Draw(t, "s1"), buckets.Draw(t, "b1"), ids.Draw(t, "i1")
		s2, b2, i2 := spaces.Draw(t, "s2"), buckets.Draw(t, "b2"), ids.Draw(t, "i2")
		k1, k2 := rowKey(s1, b1, i1), rowKey(s2, b2, i2)
		same := s1 == s2 && b1 == b2
		if bytes.Equal(k1, k2) != (same && i1 == i2) {
			t.Fatalf("%q and %q", k1, k2)
		}
		if !same && bytes.HasPrefix(k2, rowKey(s1, b1, "")) {
			t.Fatalf("%q lies inside %q", k2, rowKey(s1, b1, ""))
		}
		if same && bytes.Compare(k1, k2) != bytes.Compare([]byte(i1), []byte(i2)) {
			t.Fatalf("%q and %q sort otherwise than %q and %q", k1, k2, i1, i2)
		}
		if bytes.HasPrefix(k1, checkKeyID()[:1]) {
			t.Fatalf("%q is one of the store's own keys", k1)
		}
	})
}

func TestKeyDoesNotPrint(t *testing.T) {
	k := Key{0xab, 0xcd}
	for _, format := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q", "%d"} {
		for _, v := range []any{k, &k, Config{Key: k}} {
			if text := fmt.Sprintf(format, v); bytes.Contains([]byte(text), []byte("171")) ||
				bytes.Contains([]byte(text), []byte("abcd")) || bytes.Contains([]byte(text), []byte("0xab")) {
				t.Errorf("%s prints %s", format, text)
			}
		}
	}
}
