package outbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

const (
	childEnv = "SNAPRAIL_OUTBOX_TEST_CHILD" // the directory of the log to append to
	killsEnv = "SNAPRAIL_OUTBOX_KILLS"      // how many kills; nothing: 20
	writers  = 4
)

// appendUntilKilled is the child of the kill test: it appends from some
// goroutines, into tiny segments, and prints each block that is acknowledged.
func appendUntilKilled(dir string) int {
	cfg := small()
	cfg.SegmentBytes = 3 * kib
	l, err := Open(dir, cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range writers {
		wg.Go(func() {
			name := "c" + strconv.Itoa(w)
			s, _ := l.State(name)
			for first := uint64(0); ; {
				b := blockOf(name, s.Epoch+1, first, 1+int(first)%7)
				seq, err := l.Append(context.Background(), b)
				mu.Lock()
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Printf("%d %s %d %d %d\n", seq, name, b.Epoch, b.First, b.Count)
				mu.Unlock()
				first += uint64(b.Count)
				_ = l.SetCursor(name, seq)
			}
		})
	}
	wg.Wait()
	return 0
}

// acked is a block that the child was told is durable.
type acked struct {
	seq          uint64
	connector    string
	epoch, first uint64
	count        int
}

// killOnce runs the child until it has acknowledged n blocks, kills it, and
// returns all that it acknowledged, also what was in the pipe by then.
func killOnce(t *testing.T, dir string, n int) (acks []acked) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var a acked
		if _, err := fmt.Sscan(lines.Text(), &a.seq, &a.connector, &a.epoch, &a.first, &a.count); err != nil {
			break // the kill cut the line
		}
		if acks = append(acks, a); len(acks) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _ = io.Copy(io.Discard, out)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return acks
}

// A kill at any moment loses no acknowledged block, uses no key or sequence
// twice, and leaves a log that takes more (I5). Tiny segments make every
// fourth block or so rotate, so that kills hit that too.
func TestKill(t *testing.T) {
	kills := 20
	if s := os.Getenv(killsEnv); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "log")
	var acks []acked
	for range kills {
		acks = append(acks, killOnce(t, dir, 1+rand.IntN(150))...)
		cfg := small()
		alarms := newAlarms()
		cfg.Log = logger(alarms)
		l, err := Open(dir, cfg)
		if err != nil {
			t.Fatalf("after a kill: %v", err)
		}
		compare(t, l, acks)
		if a := alarms.list(); a != nil {
			t.Fatalf("a kill raised alarms: %v", a)
		}
		mustClose(t, l)
	}
	t.Logf("%d kills, %d blocks acknowledged", kills, len(acks))
}

// compare reads the whole log and looks for every acknowledged block.
func compare(t *testing.T, l *Log, acks []acked) {
	t.Helper()
	got := make(map[uint64]acked)
	next := make(map[string]State)
	r := l.Reader(0)
	defer closeReader(t, r)
	for r.next <= l.Head() {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatalf("at block %d of %d: %v", r.next, l.Head(), err)
		}
		s := next[b.Connector]
		if b.Epoch < s.Epoch || b.Epoch == s.Epoch && b.First != s.Next {
			t.Fatalf("block %d repeats keys: %s/%d/%d after %d/%d", b.Seq, b.Connector, b.Epoch, b.First, s.Epoch, s.Next)
		}
		if string(b.Records) != string(content(b.Connector, b.Epoch, b.First, len(b.Records))) {
			t.Fatalf("block %d holds other bytes", b.Seq)
		}
		next[b.Connector] = State{Epoch: b.Epoch, Next: b.First + uint64(b.Count), Last: b.Seq}
		got[b.Seq] = acked{b.Seq, b.Connector, b.Epoch, b.First, b.Count}
	}
	for _, a := range acks {
		if got[a.seq] != a {
			t.Fatalf("acknowledged %+v, found %+v", a, got[a.seq])
		}
	}
	for name, want := range next {
		s, _ := l.State(name)
		if s.Epoch != want.Epoch || s.Next != want.Next || s.Last != want.Last {
			t.Fatalf("state of %s is %+v, the blocks say %+v", name, s, want)
		}
	}
}
