package interlock

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// What waits for a second person, and overrides, are kept in places that are
// used again and again: what is deleted from a store leaves a trace for ever.
const (
	maxPending   = 256
	maxShare     = 32 // of those, for whoever asks
	maxOverrides = 64

	ApprovalTime = 10 * time.Minute // for which a write waits
	MaxOverride  = 24 * time.Hour
	maxHeld      = 64 << 10 // bytes of a message that waits
	maxReason    = 512      // bytes
)

// State is what became of a write that waited for somebody.
type State string

// The states.
const (
	Pending  State = "pending"
	Approved State = "approved"
	Expired  State = "expired"
)

// Pended is a write that waits, or waited, for a second person.
type Pended struct {
	ID        string  `json:"id"`
	Connector string  `json:"connector"`
	Device    string  `json:"device,omitempty"`
	Method    string  `json:"method,omitempty"`
	Writes    []Value `json:"writes,omitempty"`
	Asked
	At       time.Time `json:"at"`
	Expires  time.Time `json:"expires"`
	State    State     `json:"state"`
	Approver Person    `json:"approver,omitzero"`
	// Message is what was asked for, encoded.
	Message []byte `json:"message,omitempty"`
}

// Asked is who asked for a write.
type Asked struct {
	By Person `json:"by"`
	// For are those for whom a connector asks: who asked it. None: it is By's own
	// wish.
	For []Person `json:"for,omitempty"`
}

// String is for people: "ada", or "connector relay, for ada".
func (a Asked) String() string {
	names := make([]string, 0, len(a.For))
	for _, p := range a.For {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return a.By.Name
	}
	return a.By.Name + ", for " + strings.Join(names, ", ")
}

// has reports whether this user is among those who asked.
func (a Asked) has(user string) bool {
	return user != "" && (a.By.User == user || slices.ContainsFunc(a.For, func(p Person) bool { return p.User == user }))
}

// known reports whether it is known of each of those who asked which user it was.
func (a Asked) known() bool {
	if len(a.For) == 0 {
		return a.By.User != ""
	}
	return !slices.ContainsFunc(a.For, func(p Person) bool { return p.User == "" })
}

// share is whose share of the places a write has.
func (a Asked) share() string {
	var users []string
	for _, p := range append([]Person{a.By}, a.For...) {
		users = append(users, p.User)
	}
	if users = slices.DeleteFunc(users, func(u string) bool { return u == "" }); len(users) > 0 {
		return strings.Join(users, "\x00")
	}
	return "\x00" + a.By.Name
}

// Value is a write as people see it.
type Value struct {
	Tag   string          `json:"tag"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Person is who asks for a write, or approves it.
type Person struct {
	Name string `json:"name"`           // as the trail has it
	User string `json:"user,omitempty"` // "": nobody's, as a token of the tenant
	// Admin says of who approves that it is an administrator.
	Admin bool `json:"-"`
}

// Override lets writes through that the rules would refuse, for a while.
type Override struct {
	ID        string    `json:"id"`
	Connector string    `json:"connector"`
	Device    string    `json:"device,omitempty"` // "": any
	Tags      []string  `json:"tags,omitempty"`   // patterns; none: all
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
	Expires   time.Time `json:"expires"`
}

func (o *Override) covers(w Write) bool {
	if o.Device != "" && o.Device != w.Device {
		return false
	}
	if len(o.Tags) == 0 {
		return true
	}
	for _, pattern := range o.Tags {
		if matches(pattern, w.Tag) {
			return true
		}
	}
	return false
}

const (
	pendingPrefix  = "write-"
	overridePrefix = "override-"
)

// Hold keeps a write until somebody else approves it.
func Hold(w store.Writer, connector string, m *abi.Message, writes []Write, by Asked, now time.Time) (Pended, error) {
	encoded := m.Append(nil)
	if len(encoded) > maxHeld {
		return Pended{}, fault.New(fault.TooLarge, "a write that waits for somebody's approval has at most %d bytes", maxHeld)
	}
	p := Pended{
		Connector: connector, Device: m.Device, Method: MethodOf(m), Asked: by,
		At: now.UTC(), Expires: now.Add(ApprovalTime).UTC(), State: Pending, Message: encoded, Writes: values(writes),
	}
	if err := shares(w, by, now); err != nil {
		return p, err
	}
	slot, err := free(w, pendingPrefix, maxPending, func(raw []byte) (bool, error) {
		var had Pended
		err := json.Unmarshal(raw, &had)
		return !had.waits(now), err
	})
	if err != nil {
		return p, err
	}
	p.ID = idOf("wr", slot)
	return p, put(w, pendingPrefix, slot, p)
}

// waits reports whether somebody may approve it yet.
func (p *Pended) waits(now time.Time) bool { return p.State == Pending && !now.After(p.Expires) }

// shares refuses who has as many writes waiting as one may have: the places are
// the tenant's.
func shares(r store.Reader, by Asked, now time.Time) error {
	mine := 0
	for e, err := range store.All(r, store.Permits, pendingPrefix) {
		if err != nil {
			return err
		}
		var had Pended
		if json.Unmarshal(e.Value, &had) == nil && had.waits(now) && had.share() == by.share() {
			mine++
		}
	}
	if mine >= maxShare {
		return fault.New(fault.Exhausted, "%d writes of %s wait for approval already", mine, by).
			WithHint("Let somebody approve those first: each waits for %s at most.", ApprovalTime)
	}
	return nil
}

// Approve takes a write that waits, once.
func Approve(w store.Writer, id string, by Person, now time.Time) (p Pended, err error) {
	if p, err = pended(w, id); err != nil {
		return p, err
	}
	switch {
	case p.State != Pending:
		return p, fault.New(fault.WrongState, "the write %s was approved already, by %s", p.ID, p.Approver.Name)
	case now.After(p.Expires):
		return p, fault.New(fault.WrongState, "nobody approved the write %s in time", p.ID).WithHint("Ask for it again.")
	case by.User == "":
		return p, fault.New(fault.ApprovalRequired, "a person has to approve a write, and a token of the tenant is nobody in particular").
			WithHint("Log in, or use a token of your own.")
	case p.has(by.User):
		return p, fault.New(fault.ApprovalRequired, "who asked for a write cannot approve it, whatever went between")
	case !p.known() && !by.Admin:
		return p, fault.New(fault.ApprovalRequired, "nobody knows which user asked for this write, so that an administrator has to approve it")
	}
	p.State, p.Approver = Approved, by
	held := p
	held.Message = nil
	slot, _ := slotOf(id, "wr")
	return p, put(w, pendingPrefix, slot, held)
}

// PutBack lets a write wait again that was approved and that nobody took, for
// what is left of its time. p is what Approve answered. False: something else has
// its place by now.
func PutBack(w store.Writer, p Pended) (bool, error) {
	is, err := pended(w, p.ID)
	if fault.Is(err, fault.NotFound) || err == nil && is.State != Approved {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	slot, _ := slotOf(p.ID, "wr")
	p.State, p.Approver = Pending, Person{}
	return true, put(w, pendingPrefix, slot, p)
}

func pended(r store.Reader, id string) (p Pended, err error) {
	missing := fault.New(fault.NotFound, "no write %.60q waits for approval", id).WithHint("`snaprail writes list` shows those that do.")
	slot, ok := slotOf(id, "wr")
	if !ok {
		return p, missing
	}
	e, err := r.Get(store.Permits, slotID(pendingPrefix, slot))
	if fault.Is(err, fault.NotFound) {
		return p, missing
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &p)
	}
	if err == nil && p.ID != id { // another one has its place by now
		return p, missing
	}
	return p, err
}

// List are the writes that wait or waited as far as they are remembered, and the
// overrides that count, the newest first.
func List(r store.Reader, now time.Time) (waiting []Pended, overrides []Override, err error) {
	for e, err := range store.All(r, store.Permits, "") {
		if err != nil {
			return nil, nil, err
		}
		if strings.HasPrefix(e.ID, pendingPrefix) {
			var p Pended
			if err := json.Unmarshal(e.Value, &p); err != nil {
				return nil, nil, fault.Wrap(fault.Integrity, err, "a write that waits")
			}
			if p.State == Pending && now.After(p.Expires) {
				p.State = Expired
			}
			waiting = append(waiting, p)
			continue
		}
		var o Override
		if err := json.Unmarshal(e.Value, &o); err != nil {
			return nil, nil, fault.Wrap(fault.Integrity, err, "an override")
		}
		if now.Before(o.Expires) {
			overrides = append(overrides, o)
		}
	}
	newest(waiting, func(p Pended) time.Time { return p.At })
	newest(overrides, func(o Override) time.Time { return o.At })
	return waiting, overrides, nil
}

// PutOverride keeps an override.
func PutOverride(w store.Writer, o Override, now time.Time) (Override, error) {
	if err := o.check(now); err != nil {
		return o, err
	}
	slot, err := free(w, overridePrefix, maxOverrides, func(raw []byte) (bool, error) {
		var had Override
		err := json.Unmarshal(raw, &had)
		return !now.Before(had.Expires), err
	})
	if err != nil {
		return o, err
	}
	o.ID, o.At = idOf("ov", slot), now.UTC()
	return o, put(w, overridePrefix, slot, o)
}

func (o *Override) check(now time.Time) error {
	f := fault.New(fault.Invalid, "this is no override")
	if strings.TrimSpace(o.Reason) == "" || len(o.Reason) > maxReason || badControl(o.Reason) {
		f = f.WithFields(fault.Field{Pointer: "/reason", Detail: fmt.Sprintf("says why, in 1 to %d bytes", maxReason)})
	}
	if !o.Expires.After(now) || o.Expires.Sub(now) > MaxOverride {
		f = f.WithFields(fault.Field{Pointer: "/expires", Detail: "is within the next " + MaxOverride.String()})
	}
	if len(o.Tags) > maxRules || len(o.Device) > maxText {
		f = f.WithFields(fault.Field{Pointer: "/tags", Detail: fmt.Sprintf("has at most %d entries", maxRules)})
	}
	for i, tag := range o.Tags {
		if badPattern(tag) {
			f = f.WithFields(fault.Field{Pointer: fmt.Sprintf("/tags/%d", i), Detail: "is a tag, or a pattern of tags (as in valve*)"})
		}
	}
	if len(f.Fields) > 0 {
		return f
	}
	return nil
}

// EndOverride ends an override now.
func EndOverride(w store.Writer, id string, now time.Time) (o Override, err error) {
	missing := fault.New(fault.NotFound, "no override %.60q counts now", id).WithHint("`snaprail writes list` shows those that do.")
	slot, ok := slotOf(id, "ov")
	if !ok {
		return o, missing
	}
	e, err := w.Get(store.Permits, slotID(overridePrefix, slot))
	if fault.Is(err, fault.NotFound) {
		return o, missing
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &o)
	}
	if err == nil && (o.ID != id || !now.Before(o.Expires)) {
		return o, missing
	}
	if err != nil {
		return o, err
	}
	o.Expires = now.UTC()
	return o, put(w, overridePrefix, slot, o)
}

// overrides are those of a connector that count now.
func (i *Interlocks) overrides(ctx context.Context, connector string, now time.Time) (all []Override, err error) {
	err = i.cfg.Space.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range store.All(r, store.Permits, overridePrefix) {
			if err != nil {
				return err
			}
			var o Override
			if err := json.Unmarshal(e.Value, &o); err != nil {
				return fault.Wrap(fault.Integrity, err, "an override")
			}
			if o.Connector == connector && now.Before(o.Expires) {
				all = append(all, o)
			}
		}
		return nil
	})
	return all, err
}

// free is a place that nothing needs any more.
func free(w store.Writer, prefix string, most int, over func([]byte) (bool, error)) (int, error) {
	for slot := range most {
		e, err := w.Get(store.Permits, slotID(prefix, slot))
		if fault.Is(err, fault.NotFound) {
			return slot, nil
		}
		if err != nil {
			return 0, err
		}
		if gone, err := over(e.Value); gone || err != nil {
			return slot, nil //nolint:nilerr // what cannot be read is of no use
		}
	}
	return 0, fault.New(fault.Exhausted, "%d of them count already", most)
}

func put(w store.Writer, prefix string, slot int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "permit")
	}
	_, err = w.Put(store.Permits, slotID(prefix, slot), raw)
	return err
}

func slotID(prefix string, slot int) string { return fmt.Sprintf("%s%03d", prefix, slot) }

// idOf is an id that says its place, and that nobody can guess.
func idOf(kind string, slot int) string { return fmt.Sprintf("%s_%d_%s", kind, slot, rand.Text()) }

func slotOf(id, kind string) (slot int, ok bool) {
	rest, ok := strings.CutPrefix(id, kind+"_")
	if !ok {
		return 0, false
	}
	n, _, ok := strings.Cut(rest, "_")
	slot, err := strconv.Atoi(n)
	return slot, ok && err == nil && slot >= 0 && slot < max(maxPending, maxOverrides)
}

// newest sorts by time, the newest first.
func newest[T any](list []T, at func(T) time.Time) {
	slices.SortStableFunc(list, func(a, b T) int { return at(b).Compare(at(a)) })
}

func badControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }

func badPattern(tag string) bool {
	_, err := path.Match(tag, "")
	return err != nil || tag == "" || badText(tag)
}
