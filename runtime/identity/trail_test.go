package identity_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

func space(t *testing.T, s store.Store, tenant string) store.Space {
	t.Helper()
	if tenant == "" {
		return s.System()
	}
	sp, err := s.Tenant(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

func appendTo(t *testing.T, sp store.Space, events ...identity.Event) {
	t.Helper()
	for part := range slices.Chunk(events, 250) {
		if err := sp.Update(t.Context(), func(w store.Writer) error { return identity.Append(w, part...) }); err != nil {
			t.Fatal(err)
		}
	}
}

// pages reads a trail to its end, as a caller of the API does.
func pages(t *testing.T, sp store.Space, q identity.Query) (all []identity.Event, asked int) {
	t.Helper()
	for {
		var list []identity.Event
		if err := sp.View(t.Context(), func(r store.Reader) (err error) {
			list, q.Before, err = identity.List(r, q)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(list) > q.Limit {
			t.Fatalf("a page of %d events, and %d were wanted", len(list), q.Limit)
		}
		all = append(all, list...)
		if asked++; q.Before == 0 {
			return all, asked
		}
	}
}

func numbered(n int) []identity.Event {
	events := make([]identity.Event, n)
	for i := range events {
		events[i] = identity.Event{
			Time: time.Unix(int64(i), 0), Action: identity.ConnectorUpdate, Outcome: identity.Done,
			Connector: fmt.Sprintf("con_%d", i%3), On: fmt.Sprint(i),
		}
	}
	return events
}

func TestTrailIsReadNewestFirst(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	if all, _ := pages(t, sp, identity.Query{Limit: 10}); len(all) != 0 {
		t.Fatalf("%+v in an empty trail", all)
	}
	appendTo(t, sp, numbered(25)...)
	all, asked := pages(t, sp, identity.Query{Limit: 10})
	if len(all) != 25 || asked != 3 {
		t.Fatalf("%d events in %d pages", len(all), asked)
	}
	for i, e := range all {
		if want := uint64(25 - i); e.Sequence != want || e.On != fmt.Sprint(want-1) || e.Count != 1 {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
}

// TestTrailIsBounded: the ring keeps the newest events, whichever place they
// begin at, and pages go over its seam.
func TestTrailIsBounded(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	for _, total := range []int{identity.MaxEvents - 1, 1, 1, 1, 777} {
		appendTo(t, sp, numbered(total)...)
		all, _ := pages(t, sp, identity.Query{Limit: 499})
		for i := 1; i < len(all); i++ {
			if all[i].Sequence != all[i-1].Sequence-1 {
				t.Fatalf("%d follows %d", all[i].Sequence, all[i-1].Sequence)
			}
		}
		if want := min(int(all[0].Sequence), identity.MaxEvents); len(all) != want {
			t.Fatalf("%d events after %d, want %d", len(all), all[0].Sequence, want)
		}
	}
	entries := 0
	if err := sp.View(t.Context(), func(r store.Reader) error {
		for _, err := range store.All(r, store.Audit, "") {
			if err != nil {
				return err
			}
			entries++
		}
		return nil
	}); err != nil || entries != identity.MaxEvents+1 {
		t.Errorf("%d entries, %v", entries, err)
	}
}

func TestTrailIsFiltered(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	events := numbered(5000)
	events[17].Action = identity.ConnectorDelete
	events[18].Action = identity.ModuleUpload
	appendTo(t, sp, events...)
	for name, c := range map[string]struct {
		q    identity.Query
		want int
	}{
		"connector":           {identity.Query{Connector: "con_1"}, 1667},
		"action":              {identity.Query{Action: "connector.delete"}, 1},
		"all of a thing":      {identity.Query{Action: "connector"}, 4999},
		"not a part of one":   {identity.Query{Action: "connector.del"}, 0},
		"since":               {identity.Query{Since: time.Unix(4990, 0)}, 10},
		"connector and since": {identity.Query{Connector: "con_0", Since: time.Unix(4990, 0)}, 3},
	} {
		c.q.Limit = 400
		if all, _ := pages(t, sp, c.q); len(all) != c.want {
			t.Errorf("%s: %d events, want %d", name, len(all), c.want)
		}
	}
}

func TestTrailsAreApart(t *testing.T) {
	s := memory.New()
	appendTo(t, space(t, s, "plant"), numbered(3)...)
	appendTo(t, space(t, s, ""), numbered(1)...)
	for tenant, want := range map[string]int{"plant": 3, "other": 0, "": 1} {
		if all, _ := pages(t, space(t, s, tenant), identity.Query{Limit: 10}); len(all) != want {
			t.Errorf("%q has %d events, want %d", tenant, len(all), want)
		}
	}
}

// TestEventIsOneWithItsChange: when the transaction fails, nothing happened.
func TestEventIsOneWithItsChange(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	no := errors.New("no")
	err := sp.Update(t.Context(), func(w store.Writer) error {
		if err := identity.Append(w, numbered(2)...); err != nil {
			t.Error(err)
		}
		return no
	})
	if all, _ := pages(t, sp, identity.Query{Limit: 10}); !errors.Is(err, no) || len(all) != 0 {
		t.Errorf("%v, %+v", err, all)
	}
}

func TestEventIsBounded(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	long := strings.Repeat("機", 100_000)
	appendTo(t, sp, identity.Event{
		Who: identity.Who{ID: long, Name: long}, Name: long, On: long, Detail: long, Action: identity.HostCall,
	})
	all, _ := pages(t, sp, identity.Query{Limit: 1})
	if e := all[0]; len(e.Detail) > identity.MaxDetail || len(e.On) > 256 || len(e.Who.ID)+len(e.Who.Name) > 512 || len(e.Name) > 1024 || e.Time.IsZero() {
		t.Errorf("%d %d %d %d", len(e.Detail), len(e.On), len(e.Who.Name), len(e.Name))
	}
}

// TestEventsAreChainedAsTheyAreEncoded: what is put together by hand is what
// encoding the event makes.
func TestEventsAreChainedAsTheyAreEncoded(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	appendTo(t, sp, identity.Event{Action: identity.Login, Outcome: identity.Done, Detail: `"sequence":0,`, Sequence: 7, Previous: "mine"},
		identity.Event{Action: identity.Logout, Outcome: identity.Done})
	err := sp.View(t.Context(), func(r store.Reader) error {
		list, err := r.List(store.Audit, "", "", 2) // the newest first
		for _, e := range list {
			var event identity.Event
			if err := json.Unmarshal(e.Value, &event); err != nil {
				return err
			}
			if again, _ := json.Marshal(event); string(again) != string(e.Value) || event.Previous == "mine" {
				t.Errorf("%s is not %s", e.Value, again)
			}
		}
		if len(list) != 2 {
			t.Errorf("%d events", len(list))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
