package badger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

const flipRows = 600

func flipValue(i int) string { return strings.Repeat(fmt.Sprintf("value %d ", i), 20) }

// files are the files of a store: the bytes in use, without the zeros behind
// them, which make most of Badger's files, and the sizes.
type files map[string]file

type file struct {
	used []byte
	size int64
}

func readFiles(t *testing.T, dir string) files {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := files{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = file{bytes.Clone(bytes.TrimRight(data, "\x00")), int64(len(data))}
	}
	return all
}

func (f files) write(t *testing.T, dir string) {
	t.Helper()
	for name, file := range f {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, file.used, 0o600)
		if err = errors.Join(err, os.Truncate(path, file.size)); err != nil {
			t.Fatal(err)
		}
	}
}

// flipStore makes a store: a part of it in tables, and a part in a log when it
// was not closed.
func flipStore(t *testing.T, closed bool) files {
	t.Helper()
	dir := t.TempDir()
	write := func(s store.Store, from, to int) {
		space, _ := s.Tenant("a")
		for i := from; i < to; i++ {
			err := space.Update(t.Context(), func(w store.Writer) error {
				_, err := w.Put(store.KV, fmt.Sprintf("%05d", i), []byte(flipValue(i)))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	s := open(t, dir)
	write(s, 0, flipRows/2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	write(s, flipRows/2, flipRows)
	write(s, flipRows, flipRows+1) // damage to the last commit of a log may look like a torn one
	killed := readFiles(t, dir)    // what a kill would leave
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if closed {
		return readFiles(t, dir)
	}
	return killed
}

// readAll is the child of TestFlip: it ends with 0 when everything is there,
// 78 when the store says that it is damaged, and 3 when something is missing
// or wrong and nobody said so.
func readAll(dir string) int {
	s, err := badger.Open(config(dir))
	if err == nil {
		space, _ := s.Tenant("a")
		err = space.View(context.Background(), func(r store.Reader) error {
			i := 0
			for e, err := range store.All(r, store.KV, "") {
				if err != nil {
					return err
				}
				if e.ID != fmt.Sprintf("%05d", i) || string(e.Value) != flipValue(i) || e.Version != 1 {
					return fmt.Errorf("silent: %q at %d", e.ID, i)
				}
				if one, err := r.Get(store.KV, e.ID); err != nil || string(one.Value) != string(e.Value) {
					return fmt.Errorf("silent: get of %q: %w", e.ID, err)
				}
				i++
			}
			if i < flipRows {
				return fmt.Errorf("silent: only %d rows", i)
			}
			return nil
		})
		err = errors.Join(err, s.Close())
	}
	switch {
	case err == nil:
		return 0
	case fault.Is(err, fault.Integrity):
		return 78
	}
	fmt.Println(err)
	return 3
}

// TestFlip damages copies of a store at random: a bit flipped, or a file cut
// off. No damage may go unnoticed; SNAPRAIL_FLIPS sets how many are tried.
func TestFlip(t *testing.T) {
	flips := 40
	if n, err := strconv.Atoi(os.Getenv("SNAPRAIL_FLIPS")); err == nil {
		flips = n
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, closed := range []bool{true, false} {
		sound := flipStore(t, closed)
		counts := map[string]int{}
		for range flips / 2 {
			broken, what := damage(rnd, sound)
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			broken.write(t, dir)
			outcome, text := readDamaged(t, dir)
			counts[outcome]++
			switch outcome {
			case "silent":
				t.Errorf("%s (closed %v): %s", what, closed, text)
			case "died":
				t.Logf("%s (closed %v) ends the process: %.200s", what, closed, text)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("closed %v: %v", closed, counts)
		if counts["reported"] == 0 {
			t.Error("no damage was reported at all")
		}
	}
}

// damage flips a bit among the bytes in use of a file, or cuts a file off, and
// says what it did. Files that Badger does not need are left alone, and those
// that hold data are chosen most.
func damage(rnd *rand.Rand, sound files) (broken files, what string) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(sound)) {
		switch {
		case len(sound[name].used) == 0:
		case strings.HasSuffix(name, ".sst"), strings.HasSuffix(name, ".mem"), name == "MANIFEST":
			names = append(names, name, name, name, name)
		case strings.HasSuffix(name, ".vlog"), name == "KEYREGISTRY":
			names = append(names, name)
		}
	}
	name := names[rnd.IntN(len(names))]
	f := sound[name]
	at := rnd.IntN(len(f.used))
	what = fmt.Sprintf("%s: bit flipped at %d of %d", name, at, len(f.used))
	f.used = bytes.Clone(f.used)
	if rnd.IntN(4) == 0 {
		// A log that ends where a commit does is what Badger leaves of a torn one,
		// and no damage that could be seen.
		if strings.HasSuffix(name, ".mem") && badger.EndsWhole(f.used[:at]) {
			at--
		}
		what = fmt.Sprintf("%s: cut off at %d of %d", name, at, len(f.used))
		f.used, f.size = f.used[:at], int64(at)
	} else {
		f.used[at] ^= 1 << rnd.IntN(8)
	}
	broken = maps.Clone(sound)
	broken[name] = f
	return broken, what
}

func readDamaged(t *testing.T, dir string) (outcome, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SNAPRAIL_TEST_READER="+dir)
	out, err := cmd.CombinedOutput()
	switch cmd.ProcessState.ExitCode() {
	case 0:
		return "harmless", ""
	case 78:
		return "reported", ""
	case 3:
		return "silent", string(out)
	}
	return "died", fmt.Sprint(err, ": ", string(out))
}
