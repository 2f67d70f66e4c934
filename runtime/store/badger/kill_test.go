package badger_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

// killWriters is how many write at once, so that some gather while others are
// synced.
const killWriters = 6

// writeUntilKilled is the child of TestKill: it prints each id after Update
// has returned.
func writeUntilKilled(dir string) int {
	s, err := badger.Open(config(dir))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	space, err := s.Tenant("a")
	var wg sync.WaitGroup
	for me := range killWriters {
		wg.Go(func() {
			for i := 0; err == nil; i++ {
				if err := writeOne(space, me, fmt.Sprintf("%d-%d-%06d", os.Getpid(), me, i)); err != nil {
					fmt.Println("error", err)
					return
				}
			}
		})
	}
	wg.Wait()
	return 1
}

func writeOne(space store.Space, me int, id string) error {
	update := space.Update
	if me%2 == 0 {
		update = space.UpdateAhead
	}
	err := update(context.Background(), func(w store.Writer) error {
		if _, err := w.Put(store.KV, lastOf(me), []byte(id)); err != nil {
			return err
		}
		_, err := w.Put(store.Connectors, id, []byte(strings.Repeat(id, 20)))
		return err
	})
	if err == nil {
		fmt.Println(id)
	}
	return err
}

func lastOf(writer int) string { return fmt.Sprint("last", writer) }

// TestKill kills writers again and again: what it acknowledged is there, and
// no update is there by half.
func TestKill(t *testing.T) {
	const kills = 20
	dir := t.TempDir()
	var acked []string
	for range kills {
		acked = append(acked, killWriter(t, dir)...)
	}
	if len(acked) < kills {
		t.Fatalf("only %d writes in %d lives", len(acked), kills)
	}
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	space, _ := s.Tenant("a")
	err := space.View(t.Context(), func(r store.Reader) error {
		for _, id := range acked {
			e, err := r.Get(store.Connectors, id)
			if err != nil || string(e.Value) != strings.Repeat(id, 20) {
				return fmt.Errorf("%s was acknowledged and is lost: %w", id, err)
			}
		}
		for me := range killWriters {
			last, err := r.Get(store.KV, lastOf(me))
			if err != nil {
				return err
			}
			if _, err = r.Get(store.Connectors, string(last.Value)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d writes acknowledged in %d lives", len(acked), kills)
}

// killWriter runs a writer, kills it some time after its first write and
// returns what it acknowledged.
func killWriter(t *testing.T, dir string) (acked []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SNAPRAIL_TEST_WRITER="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if id := lines.Text(); strings.HasPrefix(id, "error") {
			t.Fatal(id)
		} else if acked = append(acked, id); len(acked) == 1 {
			kill := time.AfterFunc(rand.N(100*time.Millisecond), func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
		}
	}
	_ = cmd.Wait() // it was killed
	return acked
}
