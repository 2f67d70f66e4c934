package identity_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

func refusal(connector, on string) identity.Event {
	return identity.Event{
		Who: identity.Who{Kind: identity.ByConnector, ID: connector}, Action: identity.HostCall, Connector: connector,
		On: on, Outcome: identity.Refused, Code: "denied",
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestEqualNotesAreOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		a := identity.NewAudit(t.Context(), s, quiet())
		sp := space(t, s, "plant")
		began := time.Now()
		for range 1000 {
			a.Note("plant", refusal("con_1", "serial.write"))
		}
		time.Sleep(300 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		e := refusal("con_1", "serial.write")
		e.Count = 500
		a.Note("plant", e)
		a.Note("plant", refusal("con_2", "serial.write"))
		if all, _ := pages(t, sp, identity.Query{Limit: 9}); len(all) != 0 {
			t.Fatalf("written at once: %+v", all)
		}
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		all, _ := pages(t, sp, identity.Query{Limit: 9})
		if len(all) != 2 || all[1].Count != 1500 || all[0].Count != 1 || all[0].Connector != "con_2" {
			t.Fatalf("%+v", all)
		}
		if e := all[1]; !e.First.Equal(began) || !e.Time.Equal(began.Add(300*time.Millisecond)) || !all[0].First.IsZero() {
			t.Errorf("from %v to %v", e.First, e.Time)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNotesHoldWhatTheySay: a text that is part of a larger one, be it cut or
// short enough, does not keep that in memory while it waits.
func TestNotesHoldWhatTheySay(t *testing.T) {
	const size, notes = 1 << 20, 32
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for name, part := range map[string]int{"cut": size, "short": 20} {
		a := identity.NewAudit(t.Context(), memory.New(), quiet())
		before := heap()
		for i := range notes {
			large := fmt.Sprintf("%d ", i) + strings.Repeat("x", size)
			e := refusal("con_1", large[:part])
			e.Who.Name, e.Name, e.Detail = large[:part], large[:part], large[:part]
			a.Note("plant", e)
		}
		if grown := heap() - before; grown > size*notes/4 {
			t.Errorf("%s: %d notes hold %d bytes", name, notes, grown)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestAGuestCannotTurnTheTrailOver: who is refused all day, in as many ways as
// there are, writes few lines, and every refusal is counted in them.
func TestAGuestCannotTurnTheTrailOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		a := identity.NewAudit(t.Context(), s, quiet())
		appendTo(t, space(t, s, "plant"), identity.Event{Action: identity.ConsentGive, Outcome: identity.Done})
		total := 0
		for minute := range 24 * 60 {
			for i := range 300 {
				a.Note("plant", refusal("con_1", fmt.Sprintf("serial.open /dev/%d-%d", minute, i)))
				total++
			}
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		}
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, _ := pages(t, space(t, s, "plant"), identity.Query{Limit: 500})
		counted := 0
		for _, e := range all {
			if e.Action == identity.HostCall {
				counted += int(e.Count)
			}
		}
		if counted != total {
			t.Errorf("%d refusals in the trail, want %d", counted, total)
		}
		if len(all) > identity.MaxEvents/2 || all[len(all)-1].Action != identity.ConsentGive {
			t.Errorf("%d events in a day", len(all))
		}
	})
}

// TestStrangersCannotTurnTheTrailOver: wrong tokens from ever new addresses, all
// day, write few lines that count them all, and what others do is neither pushed
// out by them nor late.
func TestStrangersCannotTurnTheTrailOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const days = 2
		isAda := func(e identity.Event) bool { return e.Who.Name == "ada" }
		s := memory.New()
		a := identity.NewAudit(t.Context(), s, quiet())
		appendTo(t, s.System(), identity.Event{Action: identity.TokenCreate, Outcome: identity.Done})
		total := uint64(0)
		for minute := range days * 24 * 60 {
			for i := range 40 {
				a.Note("", identity.Event{
					Who: identity.Who{Kind: identity.ByNobody, ID: fmt.Sprintf("2001:db8:%x:%x::", minute, i)}, Action: identity.Login,
					Outcome: identity.Refused, Code: "unauthenticated", Detail: "the token is not known",
				})
				total++
			}
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		}
		a.Note("", identity.Event{Who: identity.Who{Kind: identity.ByUser, Name: "ada"}, Action: identity.Login, Outcome: identity.Done})
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if newest, _, err := listOf(t, s.System(), 3); err != nil || !slices.ContainsFunc(newest, isAda) {
			t.Errorf("who came in beside them is not there yet: %+v, %v", newest, err)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, _ := pages(t, s.System(), identity.Query{Limit: 500})
		counted := uint64(0)
		for _, e := range all {
			if e.Who.Kind == identity.ByNobody {
				counted += e.Count
			}
		}
		if counted != total {
			t.Errorf("%d in the trail, want %d", counted, total)
		}
		if most := 40 + days*24*12; len(all) > most || all[len(all)-1].Action != identity.TokenCreate {
			t.Errorf("%d events in %d days, want %d at most", len(all), days, most)
		}
		several := slices.IndexFunc(all, func(e identity.Event) bool { return e.Count > 40 })
		if several < 0 || !strings.Contains(all[several].Detail, "by several strangers, most often from 2001:db8:") || all[several].First.IsZero() || all[several].Code != "unauthenticated" {
			t.Errorf("no event says that there were several: %+v", all[0])
		}
	})
}

func listOf(t *testing.T, sp store.Space, limit int) (list []identity.Event, next uint64, err error) {
	t.Helper()
	err = sp.View(t.Context(), func(r store.Reader) error {
		list, next, err = identity.List(r, identity.Query{Limit: limit})
		return err
	})
	return list, next, err
}

func TestManyTrailsOfNotes(t *testing.T) {
	s := memory.New()
	a := identity.NewAudit(t.Context(), s, quiet())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				a.Note([]string{"", "plant", "other"}[n%3], refusal(fmt.Sprintf("con_%d", i*1000+n%700), ""))
			}
		})
	}
	wg.Wait()
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted := uint64(0)
	for _, tenant := range []string{"", "plant", "other"} {
		all, _ := pages(t, space(t, s, tenant), identity.Query{Limit: 500})
		for _, e := range all {
			counted += e.Count
		}
	}
	if counted != 8*2000 {
		t.Errorf("%d counted", counted)
	}
}

func TestNoteWithoutAnAudit(t *testing.T) {
	var a *identity.Audit
	a.Note("plant", refusal("con_1", ""))
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNotesSurviveAStoreThatFails: they wait until it takes them.
func TestNotesSurviveAStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failing{Store: memory.New()}
		s.fail.Store(true)
		a := identity.NewAudit(t.Context(), s, quiet())
		a.Note("", refusal("con_1", "x"))
		time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's clock
		a.Note("", refusal("con_1", "x"))
		if err := a.Close(t.Context()); err == nil {
			t.Error("what could not be written was not told")
		}
		b := identity.NewAudit(t.Context(), s, quiet())
		b.Note("", refusal("con_1", "x"))
		time.Sleep(3 * time.Second) //nolint:forbidigo // the bubble's clock
		s.fail.Store(false)
		b.Note("", refusal("con_1", "x"))
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if all, _ := pages(t, s.System(), identity.Query{Limit: 9}); len(all) != 1 || all[0].Count != 2 {
			t.Errorf("%+v", all)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAuditEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := memory.New()
	a := identity.NewAudit(ctx, s, quiet())
	a.Note("plant", refusal("con_1", ""))
	cancel()
	if err := a.Close(t.Context()); err != nil { // goleak sees the rest
		t.Error(err)
	}
	if all, _ := pages(t, space(t, s, "plant"), identity.Query{Limit: 9}); len(all) != 1 {
		t.Errorf("%+v", all)
	}
}

// failing is a store whose system space takes nothing for a while.
type failing struct {
	store.Store
	fail atomic.Bool
}

func (f *failing) System() store.Space { return &failingSpace{f.Store.System(), f} }

type failingSpace struct {
	store.Space
	of *failing
}

func (s *failingSpace) Update(ctx context.Context, fn func(store.Writer) error) error {
	if s.of.fail.Load() {
		return errors.New("no room")
	}
	return s.Space.Update(ctx, fn)
}

// BenchmarkNote is what a refused host call pays.
func BenchmarkNote(b *testing.B) {
	a := identity.NewAudit(b.Context(), memory.New(), quiet())
	defer func() { _ = a.Close(b.Context()) }()
	e := refusal("con_01KE2X7Q8Z5T3R9V1W4Y6A0BCD", "serial.write /dev/ttyUSB0")
	b.ReportAllocs()
	for b.Loop() {
		a.Note("plant", e)
	}
}
