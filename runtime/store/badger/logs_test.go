package badger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/runtime/store"
)

// realLog is the log of a store with some commits, and where each ends.
func realLog(t *testing.T) (log []byte, ends []int) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	space, _ := s.Tenant("a")
	for i := range 5 {
		err := space.Update(t.Context(), func(w store.Writer) error {
			for _, id := range []string{"x", "y"} {
				if _, err := w.Put(store.KV, id, []byte(fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		paths, _ := filepath.Glob(filepath.Join(dir, "*.mem"))
		if len(paths) != 1 {
			t.Fatal(paths)
		}
		if log, err = os.ReadFile(paths[0]); err != nil {
			t.Fatal(err)
		}
		end, _ := replay(log)
		ends = append(ends, end)
	}
	if used := len(bytes.TrimRight(log, "\x00")); used > ends[4] || used < ends[4]-4 {
		t.Fatalf("the log is not of the form that this package knows: %d bytes in use, commits end at %v", used, ends)
	}
	return log, ends
}

// TestTornLog: whatever is missing or wrong in the last commit may come of a
// crash, and the store must open.
func TestTornLog(t *testing.T) {
	log, ends := realLog(t)
	log = log[:ends[4]]
	for at := ends[3]; at < ends[4]; at++ {
		for _, size := range []int{logSize, smallLog} {
			if last, ok := checkLog(log[:at], size); !ok || last == 0 {
				t.Fatalf("zeros from %d of %v in a log of %d bytes", at, ends, size)
			}
		}
		torn := bytes.Clone(log)
		torn[at] ^= 0x10
		if _, ok := checkLog(torn, logSize); !ok {
			t.Fatalf("a wrong byte at %d of %v", at, ends)
		}
	}
	for _, size := range []int{0, logHeader, ends[0], ends[4]} { // new, and healed by Badger
		if _, ok := checkLog(log[:size], size); !ok {
			t.Errorf("a sound log of %d bytes is refused", size)
		}
	}
}

// TestDamagedLog: what is wrong before the last commit is found.
func TestDamagedLog(t *testing.T) {
	log, ends := realLog(t)
	log = log[:ends[4]]
	for at := logHeader; at < ends[3]; at++ {
		wrong := bytes.Clone(log)
		wrong[at] ^= 0x10
		if _, ok := checkLog(wrong, logSize); ok {
			t.Fatalf("a wrong byte at %d of %v was not found", at, ends)
		}
	}
	if _, ok := checkLog(log[:ends[2]+10], ends[2]+10); ok {
		t.Error("a log cut off inside a commit was not found")
	}
}

// TestLogWithoutANumber: a commit that Badger refuses at once is in no log, and the next
// one may be torn. What follows a torn one is damage all the same, and so is a commit
// of which nothing is left but its place.
func TestLogWithoutANumber(t *testing.T) {
	log, ends := realLog(t)
	refused := slices.Concat(log[:ends[2]], log[ends[3]:ends[4]]) // the fourth is left out
	for at := ends[2]; at < len(refused); at++ {
		if _, ok := checkLog(refused[:at], logSize); !ok {
			t.Fatalf("zeros from %d of %v, without those from %d to %d", at, ends, ends[2], ends[3])
		}
	}
	first := slices.Concat(log[:ends[1]], log[ends[2]:ends[4]]) // the third is left out, and two follow
	wrong := bytes.Clone(first)
	wrong[ends[1]+ends[3]-ends[2]-1] ^= 0x10
	if _, ok := checkLog(wrong, logSize); ok {
		t.Error("a commit behind a torn one was not found")
	}
	gone := bytes.Clone(log[:ends[4]])
	clear(gone[ends[2]:ends[3]])
	if _, ok := checkLog(gone, logSize); ok {
		t.Error("a commit whose place is empty was taken for one that was refused")
	}
}
