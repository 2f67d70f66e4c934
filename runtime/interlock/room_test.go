package interlock

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// Names that callers make up use up the places of one connector at most, and of
// what is counted alone: an emergency stop goes through, here and elsewhere.
func TestMadeUpTagsShutNothingElse(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"v*","per_minute":1},{"tag":"free*"},{"tag":"pump","per_minute":600},{"tag":"stop"}]}`)
	r.must(errOf(r.judge(attributes(`{"pump":1}`))))
	for i := range 2 * maxPlaces {
		r.must(errOf(r.judge(attributes(fmt.Sprintf(`{"free%d":1}`, i)))))
	}
	if n := len(r.history["c"]); n != 1 {
		t.Errorf("%d tags are remembered, and nothing counts but one", n)
	}
	for i := range maxPlaces - 1 {
		r.must(errOf(r.judge(attributes(fmt.Sprintf(`{"v%d":1}`, i)))))
	}
	if err := errOf(r.judge(attributes(`{"v":1}`))); !fault.Is(err, fault.Interlocked) {
		t.Errorf("one more than is remembered: %v", err)
	}
	for _, body := range []string{`{"pump":2}`, `{"stop":1}`, `{"stop":1,"pump":0}`} {
		if err := errOf(r.judge(attributes(body))); err != nil {
			t.Errorf("%s, which needs no other place: %v", body, err)
		}
	}
	other, m := r.connector(), attributes(`{"v":1}`)
	other.ID = "other"
	if _, _, err := r.Judge(t.Context(), Ask{Connector: other, Message: &m, Now: r.now}); err != nil {
		t.Errorf("another connector: %v", err)
	}
	r.now = r.now.Add(time.Minute)
	r.must(errOf(r.judge(attributes(`{"v":1}`)))) // a minute is all that counts
	r.Forget("c")
	if n := len(r.history["c"]); n != 0 {
		t.Errorf("%d are remembered of a connector that is gone", n)
	}
}

// An override needs no place, and takes none that a rate counts in.
func TestOverrideIsBounded(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"*","per_minute":1,"max":9}]}`)
	r.must(errOf(r.judge(attributes(`{"pump":1}`))))
	r.update(func(w store.Writer) error {
		_, err := PutOverride(w, Override{Connector: "c", Tags: []string{"v*"}, Reason: "service", Expires: r.now.Add(time.Hour)}, r.now)
		return err
	})
	for i := range 2 * maxPlaces {
		r.must(errOf(r.judge(attributes(fmt.Sprintf(`{"v%d":99}`, i)))))
	}
	if n := len(r.history["c"]); n != maxPlaces {
		t.Errorf("%d are remembered", n)
	}
	if err := errOf(r.judge(attributes(`{"pump":1}`))); err == nil {
		t.Error("the rate of another tag is forgotten")
	}
}

func TestMessageOfManyWritesIsRefused(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"*"},{"tag":"*","method":"set","tag_at":"/tag","value":"/v"}]}`)
	var all []string
	for i := range maxWrites {
		all = append(all, fmt.Sprintf(`"v%d":1`, i))
	}
	r.must(errOf(r.judge(attributes(`{` + strings.Join(all, ",") + `}`))))
	long := strings.Repeat("v", maxText+1)
	for what, m := range map[string]abi.Message{
		"one more":         attributes(`{` + strings.Join(append(all, `"more":1`), ",") + `}`),
		"a long name":      attributes(`{"` + long + `":1}`),
		"a long name told": rpc("set", `{"tag":"`+long+`","v":1}`),
	} {
		if _, err := r.judge(m); !fault.Is(err, fault.Interlocked) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A rate is not doubled by leaving the device out, or by making one up.
func TestRateOfNoDevice(t *testing.T) {
	const lock = `{"tags":[{"tag":"rate","per_minute":2}]}`
	try := func(r *rig, device string, unregistered bool) error {
		m := attributes(`{"rate":1}`)
		m.Device = device
		_, _, err := r.Judge(t.Context(), Ask{Connector: r.connector(), Message: &m, Unregistered: unregistered, Now: r.now})
		return err
	}
	r := newRig(t, lock)
	r.must(try(r, "d1", false))
	r.now = r.now.Add(10 * time.Second)
	r.must(try(r, "", false))
	if err := try(r, "", false); fault.Of(err).RetryAfter != 50*time.Second {
		t.Errorf("the third, to nobody: %v", err)
	}
	if err := try(r, "d1", false); fault.Of(err).RetryAfter != 50*time.Second {
		t.Errorf("the third, to the device: %v", err)
	}
	r.must(try(r, "d2", false)) // one to it, and one to anybody
	if try(r, "d2", false) == nil {
		t.Error("one to anybody is none to another device")
	}
	r = newRig(t, lock)
	r.must(try(r, "x", true))
	r.must(try(r, "y", true))
	if try(r, "z", true) == nil {
		t.Error("names that are made up have rates of their own")
	}
}

// What two grants let through is one write.
func TestRateOfTwoGrants(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","per_minute":2}]}`)
	c := r.connector()
	second := c.Grants[0]
	second.Resources = []string{"/dev/tty*"}
	c.Grants = append(c.Grants, second)
	for n, want := range []int{2, 2, 0} {
		m := attributes(`{"rate":1}`)
		p, _, _ := r.Judge(t.Context(), Ask{Connector: c, Message: &m, Now: r.now})
		if len(p.Grants) != want {
			t.Errorf("write %d goes through %d grants, not %d", n, len(p.Grants), want)
		}
	}
}
