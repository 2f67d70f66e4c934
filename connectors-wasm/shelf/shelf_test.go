package shelf

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// modules are three that have a runtime in common, in no order of size, and one
// that has nothing of it.
func modules() []Module {
	random := rand.NewChaCha8([32]byte{1})
	some := func(n int) []byte {
		b := make([]byte, n)
		_, _ = random.Read(b)
		return b
	}
	runtime := some(200_000)
	return []Module{
		{"b", slices.Concat(runtime, some(9_000))},
		{"a", slices.Concat(runtime, some(500))},
		{"c", slices.Concat(some(3_000), runtime)},
		{"d", some(250_000)},
	}
}

func opened(src []byte) (*Shelf, error) {
	return Open(bytes.NewReader(src), int64(len(src)))
}

func TestTakeGivesWhatWasPut(t *testing.T) {
	in := modules()
	packed, err := Pack(in)
	if err != nil {
		t.Fatal(err)
	}
	if limit := 500_000; len(packed) > limit {
		t.Errorf("a shelf of %d bytes: what modules have in common is not kept once", len(packed))
	}
	s, err := opened(packed)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Names(); !slices.Equal(got, []string{"b", "a", "c", "d"}) {
		t.Errorf("names: %v", got)
	}
	for _, m := range in {
		got, err := s.Take(m.Name)
		if err != nil || !bytes.Equal(got, m.Wasm) {
			t.Errorf("%s: %d bytes of %d, %v", m.Name, len(got), len(m.Wasm), err)
		}
	}
	if _, err := s.Take("e"); !errors.Is(err, ErrNone) {
		t.Errorf("a name that is not there: %v", err)
	}
}

func TestSameModulesMakeTheSameBytes(t *testing.T) {
	one, err := Pack(modules())
	if err != nil {
		t.Fatal(err)
	}
	two, err := Pack(modules())
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("two shelves of the same modules differ: %v", err)
	}
}

func TestEmptyShelf(t *testing.T) {
	packed, err := Pack(nil)
	if err != nil || len(packed) != 0 {
		t.Fatalf("%d bytes, %v", len(packed), err)
	}
	s, err := opened(packed)
	if err != nil || len(s.Names()) != 0 {
		t.Errorf("%v, %v", s, err)
	}
}

// TestDamage holds that a damaged shelf is an error, never other bytes, and
// that what a module claims to be does not decide how much room it takes.
func TestDamage(t *testing.T) {
	in := modules()
	packed, err := Pack(in)
	if err != nil {
		t.Fatal(err)
	}
	line, rest, _ := strings.Cut(string(packed), "\n")
	opens := map[string]string{
		"cut":          string(packed[:len(packed)-1]),
		"longer":       string(packed) + "x",
		"no index":     "x" + string(packed),
		"huge module":  strings.Replace(line, `"size":209000`, `"size":99999999999`, 1) + "\n" + rest,
		"negative":     strings.Replace(line, `"size":209000`, `"size":-1`, 1) + "\n" + rest,
		"endless line": strings.Repeat("x", 1<<20),
		"packed below": strings.Replace(line, `"packed":`, `"packed":-`, 1) + "\n" + rest,
	}
	for name, src := range opens {
		if _, err := opened([]byte(src)); err == nil {
			t.Errorf("%s: opens", name)
		}
	}
	takes := map[string]string{
		"larger than said": strings.Replace(line, `"size":209000`, `"size":1000`, 1) + "\n" + rest,
		"another digest":   strings.Replace(line, `"sha256":"`, `"sha256":"0`, 1) + "\n" + rest,
		"no base":          strings.Replace(line, `"base":"a"`, `"base":"z"`, 1) + "\n" + rest,
		"another base":     strings.Replace(line, `"base":"a"`, `"base":"d"`, 1) + "\n" + rest,
		"flipped bit":      line + "\n" + flip(rest, 100),
	}
	for name, src := range takes {
		s, err := opened([]byte(src))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := s.Take("b"); err == nil {
			t.Errorf("%s: took %d bytes", name, len(got))
		}
	}
}

func flip(s string, at int) string {
	b := []byte(s)
	b[at] ^= 1
	return string(b)
}
