package identity_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

func verdict(t *testing.T, sp store.Space, note *identity.Anchor) (v identity.Verdict) {
	t.Helper()
	if err := sp.View(t.Context(), func(r store.Reader) (err error) {
		v, err = identity.Verify(r, note)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return v
}

// edit changes an entry of the trail behind its back.
func edit(t *testing.T, sp store.Space, id string, change func([]byte) []byte) {
	t.Helper()
	if err := sp.Update(t.Context(), func(w store.Writer) error {
		e, err := w.Get(store.Audit, id)
		if err != nil {
			return err
		}
		if to := change(bytes.Clone(e.Value)); to != nil {
			_, err = w.Put(store.Audit, id, to)
			return err
		}
		return w.Delete(store.Audit, id)
	}); err != nil {
		t.Fatal(err)
	}
}

func placeOf(sequence int) string {
	return fmt.Sprintf("%05d", identity.MaxEvents-1-sequence%identity.MaxEvents)
}

// TestVerifyFindsAFlippedByte, wherever it is, and whichever it is.
func TestVerifyFindsAFlippedByte(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	if v := verdict(t, sp, nil); !v.OK {
		t.Errorf("an empty trail: %+v", v)
	}
	appendTo(t, sp, numbered(40)...)
	v := verdict(t, sp, nil)
	if !v.OK || v.Events != 40 || v.First != 1 || v.Head.Sequence != 40 || v.Unchained != 0 {
		t.Fatalf("%+v", v)
	}
	for _, sequence := range []int{1, 2, 20, 39, 40} {
		var raw []byte
		edit(t, sp, placeOf(sequence), func(b []byte) []byte { raw = bytes.Clone(b); return b })
		for i := 0; i < len(raw); i += 7 {
			edit(t, sp, placeOf(sequence), func(b []byte) []byte { b[i] ^= 1; return b })
			if v := verdict(t, sp, nil); v.OK || v.Broken == 0 || v.Reason == "" {
				t.Fatalf("byte %d of event %d: %+v", i, sequence, v)
			}
			edit(t, sp, placeOf(sequence), func([]byte) []byte { return raw })
		}
	}
	if v := verdict(t, sp, nil); !v.OK {
		t.Errorf("put back: %+v", v)
	}
}

func TestVerifyFindsWhatIsMissing(t *testing.T) {
	for name, id := range map[string]string{"the oldest": placeOf(1), "one": placeOf(7), "the newest": placeOf(20), "the head": "head"} {
		sp := space(t, memory.New(), "plant")
		appendTo(t, sp, numbered(20)...)
		edit(t, sp, id, func([]byte) []byte { return nil })
		if v := verdict(t, sp, nil); v.OK {
			t.Errorf("%s is missing: %+v", name, v)
		}
	}
}

// TestTheChainOutlivesTheRing: the oldest event in a full ring still names what
// was dropped before it, and no other can be put in its place.
func TestTheChainOutlivesTheRing(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	appendTo(t, sp, numbered(identity.MaxEvents+321)...)
	v := verdict(t, sp, nil)
	if !v.OK || v.Events != identity.MaxEvents || v.First != 322 {
		t.Fatalf("%+v", v)
	}
	edit(t, sp, placeOf(322), func(b []byte) []byte { return bytes.Replace(b, []byte(`"previous":"`), []byte(`"previous":"0`), 1) })
	if v := verdict(t, sp, nil); v.OK || v.Broken != 322 {
		t.Errorf("%+v", v)
	}
}

// TestVerifyAgainstANote: who writes the whole chain anew cannot write what was
// noted elsewhere.
func TestVerifyAgainstANote(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	appendTo(t, sp, numbered(20)...)
	note := verdict(t, sp, nil).Head
	appendTo(t, sp, numbered(5)...)
	if v := verdict(t, sp, &note); !v.OK {
		t.Errorf("%+v", v)
	}
	for name, n := range map[string]int{"shorter": 19, "as long": 25} {
		forged := space(t, memory.New(), "plant")
		events := numbered(n)
		events[3].On = "something else"
		appendTo(t, forged, events...)
		if v := verdict(t, forged, nil); !v.OK {
			t.Fatalf("%+v", v)
		}
		if v := verdict(t, forged, &note); v.OK {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// TestVerifyAgainstADroppedNote: what the ring has dropped cannot be compared, and
// that is said. The last one that was dropped is named by the oldest.
func TestVerifyAgainstADroppedNote(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	appendTo(t, sp, numbered(20)...)
	old := verdict(t, sp, nil).Head
	appendTo(t, sp, numbered(21)...)
	last := verdict(t, sp, nil).Head // 41
	appendTo(t, sp, numbered(identity.MaxEvents)...)
	if v := verdict(t, sp, &last); !v.OK || v.First != 42 {
		t.Errorf("the last that was dropped: %+v", v)
	}
	if v := verdict(t, sp, &old); v.OK || v.Broken != 0 || !strings.Contains(v.Reason, "20 was noted and is not kept any more") {
		t.Errorf("one that is not kept: %+v", v)
	}
	last.Hash = old.Hash
	if v := verdict(t, sp, &last); v.OK || v.Broken != 41 {
		t.Errorf("another hash of the last that was dropped: %+v", v)
	}
}

// TestOldTrailsAreContinued: events from before there was a chain are counted,
// and the last of them is held by the first of the chain.
func TestOldTrailsAreContinued(t *testing.T) {
	sp := space(t, memory.New(), "plant")
	if err := sp.Update(t.Context(), func(w store.Writer) error {
		for i := 1; i <= 3; i++ {
			raw := fmt.Sprintf(`{"sequence":%d,"time":"2026-01-01T00:00:00Z","who":{"kind":"server"},"action":"login","outcome":"done","count":1}`, i)
			if _, err := w.Put(store.Audit, placeOf(i), []byte(raw)); err != nil {
				return err
			}
		}
		_, err := w.Put(store.Audit, "head", []byte(`{"sequence":3}`))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if v := verdict(t, sp, nil); !v.OK || v.Unchained != 3 {
		t.Errorf("%+v", v)
	}
	appendTo(t, sp, numbered(2)...)
	if v := verdict(t, sp, nil); !v.OK || v.Unchained != 3 || v.Events != 5 {
		t.Errorf("%+v", v)
	}
	edit(t, sp, placeOf(3), func(b []byte) []byte { return bytes.Replace(b, []byte("server"), []byte("nobody"), 1) })
	if v := verdict(t, sp, nil); v.OK || v.Broken != 3 {
		t.Errorf("%+v", v)
	}
}

// TestRefusalsDoNotWashOutChanges: a day of as many refusals as can be made,
// all different, leaves a change where it was.
func TestRefusalsDoNotWashOutChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		sp := space(t, s, "plant")
		appendTo(t, sp, identity.Event{Action: identity.ConnectorDelete, Outcome: identity.Done, On: "the change"})
		audit := identity.NewAudit(t.Context(), s, slog.New(slog.DiscardHandler))
		for i := range 24 * 60 {
			for j := range 500 {
				audit.Note("plant", identity.Event{Action: identity.Access, Outcome: identity.Refused, On: fmt.Sprint(i, j)})
			}
			time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		}
		if err := audit.Close(t.Context()); err != nil {
			t.Error(err)
		}
		all, _ := pages(t, sp, identity.Query{Limit: 500, Action: string(identity.ConnectorDelete)})
		v := verdict(t, sp, nil)
		if len(all) != 1 || !v.OK || v.Head.Sequence > identity.MaxEvents/2 {
			t.Errorf("%d changes are left, %+v", len(all), v)
		}
	})
}
