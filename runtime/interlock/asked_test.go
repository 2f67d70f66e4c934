package interlock

import (
	"fmt"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// held keeps a write that somebody asked for, and answers who may approve it:
// each in a place of its own.
func (r *rig) approved(by Asked, approver Person) error {
	r.Helper()
	m := attributes(`{"rate":1}`)
	return r.space.Update(r.Context(), func(w store.Writer) error {
		p, err := Hold(w, "c", &m, nil, by, r.now)
		if err == nil {
			_, err = Approve(w, p.ID, approver, r.now)
		}
		return err
	})
}

// Who began a chain of calls is not the second person, whatever is between.
func TestSecondPersonOfAChain(t *testing.T) {
	r := newRig(t, `{}`)
	ada, bob, eve, root := Person{Name: "ada", User: "u1"}, Person{Name: "bob", User: "u2"}, Person{Name: "eve", User: "u3"}, Person{Name: "root", User: "u4", Admin: true}
	relay, token := Person{Name: "connector rel"}, Person{Name: "token ci"}
	for _, tt := range []struct {
		asked  Asked
		says   string
		may    []Person
		mayNot []Person
	}{
		{Asked{By: ada}, "ada", []Person{bob, root}, []Person{ada, token}},
		{Asked{By: relay, For: []Person{ada}}, "connector rel, for ada", []Person{bob, root}, []Person{ada}},
		{Asked{By: relay, For: []Person{ada, bob}}, "connector rel, for ada, bob", []Person{eve, root}, []Person{ada, bob}},
		{Asked{By: relay, For: []Person{ada, token}}, "connector rel, for ada, token ci", []Person{root}, []Person{ada, bob}},
		{Asked{By: relay}, "connector rel", []Person{root}, []Person{ada, bob}}, // of its own accord, as far as anybody knows
		{Asked{By: token}, "token ci", []Person{root}, []Person{bob}},
		{Asked{By: root}, "root", []Person{ada}, []Person{root}},
	} {
		if is := tt.asked.String(); is != tt.says {
			t.Errorf("%q, not %q", is, tt.says)
		}
		for _, p := range tt.may {
			if err := r.approved(tt.asked, p); err != nil {
				t.Errorf("asked by %s, %s: %v", tt.asked, p.Name, err)
			}
		}
		for _, p := range tt.mayNot {
			if err := r.approved(tt.asked, p); !fault.Is(err, fault.ApprovalRequired) {
				t.Errorf("asked by %s, %s: %v", tt.asked, p.Name, err)
			}
		}
	}
}

// One who asks for much leaves the others room to ask.
func TestShareOfWhatWaits(t *testing.T) {
	r := newRig(t, `{}`)
	m := attributes(`{"rate":1}`)
	hold := func(by Asked) error {
		return r.space.Update(t.Context(), func(w store.Writer) error {
			_, err := Hold(w, "c", &m, nil, by, r.now)
			return err
		})
	}
	ada := Person{Name: "ada", User: "u1"}
	for i := range maxShare { // by tokens of one's own, or through connectors
		by := []Asked{{By: Person{Name: fmt.Sprint("token ", i), User: "u1"}}, {By: Person{Name: fmt.Sprint("connector ", i)}, For: []Person{ada}}}[i%2]
		r.must(hold(by))
	}
	if err := hold(Asked{By: ada}); !fault.Is(err, fault.Exhausted) {
		t.Errorf("more than the share: %v", err)
	}
	r.must(hold(Asked{By: Person{Name: "bob", User: "u2"}}))
	r.must(hold(Asked{By: Person{Name: "token ci"}}))
	r.now = r.now.Add(2 * ApprovalTime)
	r.must(hold(Asked{By: ada}))
}
