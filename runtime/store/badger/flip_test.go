package badger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

const flipRows = 600

func flipValue(i int) string { return strings.Repeat(fmt.Sprintf("value %d ", i), 20) }

// flipStore fills dir with a store: a part of it in tables, and a part in a
// log when it was not closed.
func flipStore(t *testing.T, dir string, closed bool) {
	t.Helper()
	work := dir
	if !closed {
		work = t.TempDir()
	}
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
	s := open(t, work)
	write(s, 0, flipRows/2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, work)
	write(s, flipRows/2, flipRows)
	if !closed { // what a kill would leave, and one commit more, which may look torn
		write(s, flipRows, flipRows+1)
		if err := os.CopyFS(dir, os.DirFS(work)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
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
	rnd := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
	for _, closed := range []bool{true, false} {
		dir := t.TempDir()
		flipStore(t, dir, closed)
		counts := map[string]int{}
		for range flips / 2 {
			broken := filepath.Join(t.TempDir(), "store")
			if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			what := damage(t, rnd, broken)
			outcome, text := readDamaged(t, broken)
			counts[outcome]++
			if outcome == "silent" {
				t.Errorf("%s (closed %v): %s", what, closed, text)
			} else if outcome == "died" {
				t.Logf("%s (closed %v) ends the process: %.200s", what, closed, text)
			}
			if err := os.RemoveAll(broken); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("closed %v: %v", closed, counts)
	}
}

// damage flips a bit among the bytes of a file that are in use, or cuts a file
// off, and says what it did. Files that Badger does not need are left alone.
func damage(t *testing.T, rnd *rand.Rand, dir string) string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.sst", "*.mem", "MANIFEST", "KEYREGISTRY", "*.vlog"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range found {
			files = append(files, path)
			if !strings.HasSuffix(path, ".vlog") && !strings.HasSuffix(path, "Y") {
				files = append(files, path, path, path) // where the data is
			}
		}
	}
	path := files[rnd.IntN(len(files))]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(strings.TrimRight(string(data), "\x00"))
	if used == 0 {
		return "nothing"
	}
	at := rnd.IntN(used)
	what := fmt.Sprintf("%s: bit flipped at %d of %d", filepath.Base(path), at, used)
	if rnd.IntN(4) == 0 {
		what = fmt.Sprintf("%s: cut off at %d of %d", filepath.Base(path), at, used)
		data = data[:at]
	} else {
		data[at] ^= 1 << rnd.IntN(8)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return what
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
