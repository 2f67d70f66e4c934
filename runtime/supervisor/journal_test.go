package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func (j *Journal) say(text string) { j.add(abi.LogInfo, "guest", "test", text) }

// The journal keeps the last lines, numbered from the first that there was.
func TestJournalIsARing(t *testing.T) {
	j := newJournal(nil)
	if j.Has(0) {
		t.Error("an empty journal has a line")
	}
	for _, lines := range []uint64{1, maxLines - 1, maxLines, maxLines + 1, 3*maxLines + 7} {
		for j.last < lines {
			j.say(fmt.Sprint("line ", j.last+1))
		}
		oldest := max(lines, maxLines) - maxLines + 1
		for _, after := range []uint64{0, oldest - 1, oldest, lines - 1} {
			want := max(after+1, oldest)
			if want > lines {
				continue
			}
			line, err := j.Next(t.Context(), after)
			if err != nil || line.Sequence != want || line.Text != fmt.Sprint("line ", want) || line.Time.IsZero() {
				t.Errorf("of %d lines, behind %d: %+v, %v; want line %d", lines, after, line, err, want)
			}
		}
		if j.Has(lines) || !j.Has(lines-1) || len(j.ring) > maxLines {
			t.Errorf("of %d lines %d are kept; is there one behind the last: %v", lines, len(j.ring), j.Has(lines))
		}
	}
}

// Who follows waits for the next line, and no longer than allowed.
func TestJournalIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(nil)
		var wg sync.WaitGroup
		got := make([]string, 3)
		for i := range got {
			wg.Go(func() {
				for after := uint64(0); after < 3; {
					line, err := j.Next(t.Context(), after)
					if err != nil {
						t.Error(err)
						return
					}
					after = line.Sequence
					got[i] += line.Text
				}
			})
		}
		for _, text := range []string{"a", "b", "c"} {
			synctest.Wait() // all of them wait
			j.say(text)
		}
		wg.Wait()
		for i := range got {
			if got[i] != "abc" {
				t.Errorf("reader %d got %q", i, got[i])
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := j.Next(ctx, 3); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

// A reader that is slower than the lines goes on with the oldest that is kept.
func TestJournalLeavesSlowReadersBehind(t *testing.T) {
	j := newJournal(nil)
	for range 2 * maxLines {
		j.say("x")
	}
	if line, err := j.Next(t.Context(), 5); err != nil || line.Sequence != maxLines+1 {
		t.Errorf("line %d, %v", line.Sequence, err)
	}
}

func TestJournalCutsLongLines(t *testing.T) {
	j := newJournal(nil)
	j.say("x" + strings.Repeat("ä", maxText))
	line, err := j.Next(t.Context(), 0)
	if err != nil || len(line.Text) > maxText || len(line.Text) < maxText-utf8.UTFMax || !utf8.ValidString(line.Text) {
		t.Errorf("%d bytes, valid %v, %v", len(line.Text), utf8.ValidString(line.Text), err)
	}
}
