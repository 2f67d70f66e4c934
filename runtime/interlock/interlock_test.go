package interlock

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// noon is a Monday.
func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// known are readings by device and tag.
type known map[string]Reading

func (k known) Latest(_, device, tag string) (Reading, bool) {
	r, ok := k[device+"/"+tag]
	return r, ok
}

// rig is the interlocks of one connector, whose only grant has this interlock.
type rig struct {
	*testing.T
	*Interlocks

	space store.Space
	read  known
	now   time.Time
	lock  *spec.Interlock
}

func newRig(t *testing.T, lock string) *rig {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	space, err := s.Tenant("acme")
	r := &rig{T: t, space: space, read: known{}, now: noon(), lock: lockOf(t, lock)}
	r.must(err)
	r.Interlocks = New(Config{Space: space, Readings: r.read})
	return r
}

func lockOf(t *testing.T, text string) *spec.Interlock {
	t.Helper()
	var lock spec.Interlock
	if err := json.Unmarshal([]byte(text), &lock); err != nil {
		t.Fatal(err)
	}
	Check("", &lock, func(pointer, format string, args ...any) {
		t.Fatalf("%s: %s %s", text, pointer, fmt.Sprintf(format, args...))
	})
	return &lock
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) connector() *spec.Connector {
	return &spec.Connector{ID: "c", Grants: []spec.Grant{
		{Group: "serial", Resources: []string{"/dev/tty1"}, Rights: []spec.Right{spec.Read, spec.Write}, Interlock: r.lock},
	}}
}

func (r *rig) judge(m abi.Message) (Permit, error) {
	r.Helper()
	p, _, err := r.Judge(r.Context(), Ask{Connector: r.connector(), Message: &m, Now: r.now})
	return p, err
}

func attributes(body string) abi.Message {
	return abi.Message{Type: abi.MessageAttributes, Device: "d", Body: []byte(body), ContentType: "application/json"}
}

func rpc(method, body string) abi.Message {
	return abi.Message{Type: abi.MessageRPC, Device: "d", Method: method, Body: []byte(body)}
}

func TestVerdicts(t *testing.T) {
	const rates = `{"tags":[{"tag":"rate","min":1,"max":9.5},{"tag":"valve*"}]}`
	const methods = `{"tags":[{"tag":"rate","method":"set","value":"/v","max":9},{"tag":"reset","method":"reset"},
		{"tag":"n*","method":"write","value":"/value","tag_at":"/node","max":5},{"tag":"publish","method":"publish"}]}`
	with := func(m abi.Message, change func(*abi.Message)) abi.Message {
		change(&m)
		return m
	}
	for name, tt := range map[string]struct {
		lock string
		m    abi.Message
		no   string // part of the refusal; "": it is let through
	}{
		"within":                   {rates, attributes(`{"rate":9.5}`), ""},
		"two tags":                 {rates, attributes(`{"rate":2,"valve7":"open"}`), ""},
		"below":                    {rates, attributes(`{"rate":0.99}`), "less than 1"},
		"above":                    {rates, attributes(`{"rate":9.6}`), "more than 9.5"},
		"a second one above":       {rates, attributes(`{"valve1":1,"rate":10}`), "more than 9.5"},
		"not named":                {rates, attributes(`{"rate":2,"speed":1}`), `"speed" be written; it lets rate, valve*`},
		"no number":                {rates, attributes(`{"rate":"2"}`), "must be a number"},
		"too large for a number":   {rates, attributes(`{"rate":1e999}`), "must be a number"},
		"null":                     {rates, attributes(`{"rate":null}`), "must be a number"},
		"twice":                    {rates, attributes(`{"rate":2,"rate":900}`), "comes twice"},
		"twice, written otherwise": {rates, attributes(`{"rate":2,"r\u0061te":900}`), "comes twice"},
		"another case":             {rates, attributes(`{"rate":2,"Rate":900}`), `"Rate"`},
		"two texts":                {rates, attributes(`{"rate":2}{"rate":900}`), "more than one"},
		"no object":                {rates, attributes(`[{"rate":2}]`), "no object"},
		"no members":               {rates, attributes(`{}`), "no object"},
		"no JSON":                  {rates, attributes(`{"rate":2`), "no JSON"},
		"no UTF-8":                 {rates, attributes("{\"rate\":2,\"\xff\":1}"), "UTF-8"},
		"deep":                     {rates, attributes(strings.Repeat("[", 100)), "deeply"},
		"another content type":     {rates, with(attributes(`{"rate":2}`), func(m *abi.Message) { m.ContentType = "text/plain" }), "not JSON"},
		"parts beside":             {rates, with(attributes(`{"rate":2}`), func(m *abi.Message) { m.Metadata = []byte(`{"rate":900}`) }), "beside its body"},
		"a header":                 {rates, with(attributes(`{"rate":2}`), func(m *abi.Message) { m.Headers = []abi.Header{{Name: "x"}} }), "beside its body"},
		"an id":                    {rates, with(attributes(`{"rate":2}`), func(m *abi.Message) { m.Headers = []abi.Header{{Name: "id"}} }), ""},
		"no rules":                 {`{}`, attributes(`{"rate":2}`), "does not let"},
		"an RPC without a rule":    {rates, rpc("rate", `2`), `"rate" be written; it lets nothing be written in this way`},

		"a method":                      {methods, rpc("set", `{"v":9}`), ""},
		"a method, above":               {methods, rpc("set", `{"v":10}`), "more than 9"},
		"a method, another param":       {methods, rpc("set", `{"v":1,"force":true}`), `"/force"`},
		"a method, an empty param":      {methods, rpc("set", `{"v":1,"force":{}}`), `"/force"`},
		"a method, no param":            {methods, rpc("set", `{}`), `the params of "set" are not where`},
		"a method, no body":             {methods, rpc("set", ``), `"set"`},
		"a method without values":       {methods, rpc("reset", ``), ""},
		"another method":                {methods, rpc("erase", ``), `"erase" be written; it lets publish, reset, set, write`},
		"a method as attributes":        {methods, attributes(`{"rate":1}`), `"rate"`},
		"a named tag":                   {methods, rpc("write", `{"node":"n1","value":5}`), ""},
		"a named tag, above":            {methods, rpc("write", `{"node":"n1","value":6}`), "more than 5"},
		"a named tag that is not there": {methods, rpc("write", `{"node":"x","value":5}`), `by "write" the interlock does not let "x" be written; it lets n*`},
		"no named tag":                  {methods, rpc("write", `{"value":5}`), `"write"`},
		"a publish":                     {methods, abi.Message{Type: abi.MessagePublish, Body: []byte(`1`)}, ""},
		"a command":                     {methods, abi.Message{Type: abi.MessageCommand, Method: "set", Body: []byte(`{"v":2}`)}, ""},
		"a command without a method":    {methods, abi.Message{Type: abi.MessageCommand, Body: []byte(`{"v":2}`)}, `"command"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tt.lock)
			p, err := r.judge(tt.m)
			if tt.no == "" {
				if err != nil || len(p.Grants) != 1 || p.Rehearsal() != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if !fault.Is(err, fault.Interlocked) || !strings.Contains(err.Error(), tt.no) || len(p.Grants) > 0 {
				t.Fatalf("let through or for another reason: %+v, %v", p, err)
			}
		})
	}
}

// A value moves by a step from what was written or read last, and not at all
// while nobody knows it.
func TestStep(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","step":0.1}]}`)
	set := func(v string, want string) {
		t.Helper()
		_, err := r.judge(attributes(`{"rate":` + v + `}`))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("set to %s: %v, not %q", v, err, want)
		}
	}
	set("1", "nobody knows")
	r.read["d/rate"] = Reading{Number: 5, Numeric: true, Time: r.now.Add(-time.Hour)} // a bad one
	set("5", "nobody knows")
	r.read["d/rate"] = Reading{Number: 0.3, Numeric: true, Good: true, Time: r.now.Add(-time.Hour)}
	set("0.2", "") // 0.3-0.2 is more than 0.1 in binary
	set("0.4", "is 0.2 now")
	set("0.1", "")
	r.now = r.now.Add(time.Second)
	r.read["d/rate"] = Reading{Number: 7, Numeric: true, Good: true, Time: r.now}
	r.now = r.now.Add(time.Second)
	set("0.1", "is 7 now")
	set("7.05", "")
}

func TestRate(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"often","per_minute":3},{"tag":"seldom","per_minute":0.5}]}`)
	try := func(tag string) error {
		_, err := r.judge(attributes(`{"` + tag + `":1}`))
		return err
	}
	for range 3 {
		r.must(try("often"))
		r.now = r.now.Add(10 * time.Second)
	}
	err := try("often")
	if !fault.Is(err, fault.Interlocked) || fault.Of(err).RetryAfter != 30*time.Second {
		t.Errorf("the fourth in a minute: %v, after %s", err, fault.Of(err).RetryAfter)
	}
	r.now = r.now.Add(30 * time.Second)
	r.must(try("often"))
	if try("often") == nil {
		t.Error("two came where one had left the minute")
	}
	r.must(try("seldom"))
	r.now = r.now.Add(119 * time.Second)
	if try("seldom") == nil {
		t.Error("twice within two minutes")
	}
	r.now = r.now.Add(time.Second)
	r.must(try("seldom"))
}

// What a rate counts is never forgotten for want of room: what there is no room
// for is refused.
func TestHistoryIsBounded(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"*","per_minute":0.02}]}`)
	r.must(errOf(r.judge(attributes(`{"first":1}`))))
	for i := range maxPlaces - 1 {
		r.must(errOf(r.judge(attributes(fmt.Sprintf(`{"t%d":1}`, i)))))
	}
	if err := errOf(r.judge(attributes(`{"more":1}`))); !fault.Is(err, fault.Interlocked) {
		t.Errorf("one too many: %v", err)
	}
	if err := errOf(r.judge(attributes(`{"first":1}`))); !fault.Is(err, fault.Interlocked) {
		t.Errorf("the first was forgotten: %v", err)
	}
	r.now = r.now.Add(time.Hour + time.Second)
	r.must(errOf(r.judge(attributes(`{"more":1}`))))
	if n := len(r.history); n != 1 {
		t.Errorf("%d are remembered after an hour", n)
	}
}

func errOf(_ Permit, err error) error { return err }

func TestHours(t *testing.T) {
	for _, tt := range []struct {
		hours, zone string
		at          string
		open        bool
	}{
		{"06:00-18:00", "", "2026-11-23T06:00:00Z", true},
		{"06:00-18:00", "", "2026-11-23T18:00:00Z", false},
		{"Mon-Fri 06:00-18:00", "", "2026-11-22T12:00:00Z", false}, // a Sunday
		{"Mon-Fri 06:00-18:00", "Europe/Berlin", "2026-11-23T05:30:00Z", true},
		{"Mon-Fri 06:00-18:00", "Europe/Berlin", "2026-07-20T04:30:00Z", true}, // in summer
		{"Sat,Sun 00:00-24:00", "", "2026-11-22T23:59:00Z", true},
		{"Fri-Mon 08:00-09:00", "", "2026-11-22T08:30:00Z", true},
		{"Fri-Mon 08:00-09:00", "", "2026-11-24T08:30:00Z", false},
		{"Mon 22:00-06:00", "", "2026-11-24T05:00:00Z", true},
		{"Mon 22:00-06:00", "", "2026-11-23T05:00:00Z", false},
		{"Mon 22:00-06:00", "", "2026-11-23T22:00:00Z", true},
	} {
		now, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		lock := &spec.Interlock{Hours: []string{tt.hours}, Zone: tt.zone}
		if got := open(lock, now); got != tt.open {
			t.Errorf("%s %s at %s: open is %t", tt.hours, tt.zone, tt.at, got)
		}
	}
	for _, bad := range []string{"", "Mon", "Foo 06:00-18:00", "6-18", "06:00-06:00", "24:00-06:00", "25:00-26:00", "Mon-Fri", "06:00"} {
		if _, err := parseSpan(bad); err == nil {
			t.Errorf("%q was read as hours", bad)
		}
	}
}

func TestRequirements(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate"}],"requires":[{"tag":"door","equals":"shut","max_age":"10s"},{"device":"hall","tag":"temp","min":5,"max":40}]}`)
	shut := Reading{Text: "shut", Good: true, Time: r.now}
	warm := Reading{Number: 20, Numeric: true, Text: "20", Good: true, Time: r.now}
	for name, tt := range map[string]struct {
		door, hall *Reading
		no         string
	}{
		"both hold":    {&shut, &warm, ""},
		"none there":   {nil, &warm, "d/door, and there is none"},
		"open":         {&Reading{Text: "open", Good: true, Time: r.now}, &warm, "to be shut"},
		"old":          {&Reading{Text: "shut", Good: true, Time: r.now.Add(-11 * time.Second)}, &warm, "at most 10s old"},
		"bad":          {&Reading{Text: "shut", Time: r.now}, &warm, "good reading"},
		"other device": {&shut, nil, "hall/temp"},
		"cold":         {&shut, &Reading{Number: 4, Numeric: true, Good: true, Time: r.now}, "at least 5"},
		"hot":          {&shut, &Reading{Number: 41, Numeric: true, Good: true, Time: r.now}, "at most 40"},
		"no number":    {&shut, &Reading{Text: "20", Good: true, Time: r.now}, "a number"},
		"a minute old": {&shut, &Reading{Number: 20, Numeric: true, Good: true, Time: r.now.Add(-61 * time.Second)}, "at most 1m0s old"},
	} {
		clear(r.read)
		if tt.door != nil {
			r.read["d/door"] = *tt.door
		}
		if tt.hall != nil {
			r.read["hall/temp"] = *tt.hall
		}
		_, err := r.judge(attributes(`{"rate":1}`))
		if (err == nil) != (tt.no == "") || err != nil && !strings.Contains(err.Error(), tt.no) {
			t.Errorf("%s: %v, not %q", name, err, tt.no)
		}
	}
}

// A dry run is judged, and counts as no write.
func TestDryRunIsNoWrite(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","max":9,"per_minute":1}],"dry_run":true}`)
	for range 3 {
		p, err := r.judge(attributes(`{"rate":1}`))
		r.must(err)
		if got := string(p.Rehearsal()); got != `[{"tag":"rate","value":1}]` || p.Lets(r.connector().Grants[0], r.now) {
			t.Errorf("the dry run %s, and it lets writes through: %t", got, p.Lets(r.connector().Grants[0], r.now))
		}
	}
	if _, err := r.judge(attributes(`{"rate":10}`)); !fault.Is(err, fault.Interlocked) {
		t.Errorf("beyond the bounds: %v", err)
	}
	r.lock.DryRun = false
	m := attributes(`{"rate":1}`)
	p, _, err := r.Judge(t.Context(), Ask{Connector: r.connector(), Message: &m, DryRun: true, Now: r.now})
	if r.must(err); p.Rehearsal() == nil {
		t.Error("a dry run that was asked for is none")
	}
	r.must(errOf(r.judge(m)))
}

// A permit is for its grant as that was, and for its time.
func TestPermitEnds(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","max":9}]}`)
	m := attributes(`{"rate":1}`)
	m.Deadline = r.now.Add(time.Second).UnixNano()
	p, err := r.judge(m)
	r.must(err)
	g := r.connector().Grants[0]
	if !p.Lets(g, r.now) || p.Lets(g, r.now.Add(2*time.Second)) {
		t.Error("the permit's time is not its message's")
	}
	other := g
	other.Resources = []string{"/dev/tty2"}
	changed := g
	changed.Interlock = lockOf(t, `{"tags":[{"tag":"rate","max":8}]}`)
	if p.Lets(other, r.now) || p.Lets(changed, r.now) {
		t.Error("the permit lets writes through a grant that it was not given for")
	}
	if (&Permit{}).Lets(g, r.now) {
		t.Error("the zero permit permits")
	}
}

// Each grant with an interlock judges by itself; one that lets the message
// through is enough, and the permit is for that one.
func TestSeveralGrants(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","max":9}]}`)
	c := r.connector()
	second := c.Grants[0]
	second.Resources = []string{"/dev/tty2"}
	second.Interlock = lockOf(t, `{"tags":[{"tag":"speed"}]}`)
	read := spec.Grant{Group: "serial", Resources: []string{"*"}, Rights: []spec.Right{spec.Read}, Interlock: second.Interlock}
	c.Grants = append(c.Grants, second, read)
	if len(Locked(c.Grants)) != 2 {
		t.Error("a grant to read is judged")
	}
	m := attributes(`{"speed":1}`)
	p, _, err := r.Judge(t.Context(), Ask{Connector: c, Message: &m, Now: r.now})
	if r.must(err); !p.Lets(second, r.now) || p.Lets(c.Grants[0], r.now) {
		t.Errorf("the permit is for %+v", p.Grants)
	}
	m = attributes(`{"speed":1,"rate":10}`)
	if _, _, err = r.Judge(t.Context(), Ask{Connector: c, Message: &m, Now: r.now}); !fault.Is(err, fault.Interlocked) {
		t.Errorf("tags of two grants at once: %v", err)
	}
	if Needed(c, abi.MessageQuery) || !Needed(c, abi.MessagePublish) || Needed(&spec.Connector{Grants: []spec.Grant{read}}, abi.MessageRPC) {
		t.Error("what has to be judged")
	}
}

func TestSecondPerson(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","max":9,"per_minute":1}],"second_person":true}`)
	m := attributes(`{"rate":1}`)
	p, writes, err := r.Judge(t.Context(), Ask{Connector: r.connector(), Message: &m, Now: r.now})
	if !fault.Is(err, fault.ApprovalRequired) || len(writes) != 1 || len(p.Grants) > 0 {
		t.Fatalf("without a second person: %+v, %v", p, err)
	}
	var held Pended
	r.update(func(w store.Writer) (err error) {
		held, err = Hold(w, "c", &m, writes, Asked{By: Person{"ada", "ada", false}}, r.now)
		return err
	})
	approve := func(by Person, now time.Time) (p Pended, err error) {
		err = r.space.Update(t.Context(), func(w store.Writer) (err error) {
			p, err = Approve(w, held.ID, by, now)
			return err
		})
		return p, err
	}
	for name, by := range map[string]Person{"the same": {"ada", "ada", true}, "a token": {"ci", "", true}} {
		if _, err := approve(by, r.now); !fault.Is(err, fault.ApprovalRequired) {
			t.Errorf("%s approved: %v", name, err)
		}
	}
	if _, err := approve(Person{"bob", "bob", false}, r.now.Add(ApprovalTime+time.Second)); !fault.Is(err, fault.WrongState) {
		t.Errorf("too late: %v", err)
	}
	got, err := approve(Person{"bob", "bob", false}, r.now)
	r.must(err)
	var back abi.Message
	if err := back.Decode(got.Message); err != nil || string(back.Body) != `{"rate":1}` || back.Device != "d" {
		t.Errorf("what was approved: %+v, %v", back, err)
	}
	if _, err := approve(Person{"eve", "eve", false}, r.now); !fault.Is(err, fault.WrongState) {
		t.Errorf("twice: %v", err)
	}
	// Approval waives no bound: they are those of the moment.
	for want, body := range map[string]string{"": `{"rate":1}`, "more than 9": `{"rate":10}`} {
		m := attributes(body)
		_, _, err := r.Judge(t.Context(), Ask{Connector: r.connector(), Message: &m, Approved: true, Now: r.now})
		if (err == nil) != (want == "") {
			t.Errorf("approved, %s: %v", body, err)
		}
	}
}

func (r *rig) update(do func(store.Writer) error) {
	r.Helper()
	r.must(r.space.Update(context.WithoutCancel(r.Context()), do))
}

// A place is used again: what is listed is bounded, and no id of before is taken
// for the one that has its place now.
func TestPlacesAreUsedAgain(t *testing.T) {
	r := newRig(t, `{}`)
	m, n := attributes(`{"rate":1}`), 0
	hold := func() (p Pended, err error) {
		err = r.space.Update(t.Context(), func(w store.Writer) (err error) {
			p, err = Hold(w, "c", &m, nil, Asked{By: Person{Name: fmt.Sprint("token ", n/maxShare)}}, r.now)
			return err
		})
		n++
		return p, err
	}
	first, err := hold()
	r.must(err)
	for range maxPending - 1 {
		r.must(errOf2(hold()))
	}
	if _, err := hold(); !fault.Is(err, fault.Exhausted) {
		t.Errorf("one more than may wait: %v", err)
	}
	r.now = r.now.Add(ApprovalTime + time.Second)
	again, err := hold()
	r.must(err)
	err = r.space.Update(t.Context(), func(w store.Writer) error {
		_, err := Approve(w, first.ID, Person{"bob", "bob", true}, r.now)
		return err
	})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("the id of before: %v", err)
	}
	r.must(r.space.View(t.Context(), func(rd store.Reader) error {
		waiting, _, err := List(rd, r.now)
		if len(waiting) != maxPending || waiting[0].ID != again.ID || waiting[0].State != Pending || waiting[1].State != Expired {
			t.Errorf("%d wait, the first is %+v", len(waiting), waiting[0])
		}
		return err
	}))
	m.Body = []byte(`{"rate":"` + strings.Repeat("x", maxHeld) + `"}`)
	if _, err := hold(); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a large one: %v", err)
	}
}

func errOf2(_ Pended, err error) error { return err }

func TestOverride(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","max":9}],"hours":["00:00-01:00"]}`)
	if _, err := r.judge(attributes(`{"rate":10}`)); err == nil {
		t.Fatal("let through without an override")
	}
	put := func(o Override) (Override, error) {
		err := r.space.Update(t.Context(), func(w store.Writer) (err error) {
			o, err = PutOverride(w, o, r.now)
			return err
		})
		return o, err
	}
	for name, o := range map[string]Override{
		"no reason": {Connector: "c", Expires: r.now.Add(time.Hour)},
		"past":      {Connector: "c", Reason: "x", Expires: r.now},
		"too long":  {Connector: "c", Reason: "x", Expires: r.now.Add(MaxOverride + time.Second)},
		"pattern":   {Connector: "c", Reason: "x", Expires: r.now.Add(time.Hour), Tags: []string{"["}},
	} {
		if _, err := put(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := put(Override{Connector: "other", Reason: "x", Expires: r.now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.judge(attributes(`{"rate":10}`)); err == nil {
		t.Error("by another connector's override")
	}
	o, err := put(Override{Connector: "c", Device: "d", Tags: []string{"ra*"}, Reason: "the pump is being serviced", Expires: r.now.Add(time.Hour)})
	r.must(err)
	p, err := r.judge(attributes(`{"rate":10}`))
	if r.must(err); p.Override != o.ID {
		t.Errorf("the permit names the override %q", p.Override)
	}
	for name, m := range map[string]abi.Message{
		"another tag":    attributes(`{"rate":10,"speed":1}`),
		"another device": {Type: abi.MessageAttributes, Device: "e", Body: []byte(`{"rate":10}`)},
	} {
		if _, err := r.judge(m); err == nil {
			t.Errorf("%s by the override", name)
		}
	}
	end := func() error {
		return r.space.Update(t.Context(), func(w store.Writer) error {
			_, err := EndOverride(w, o.ID, r.now)
			return err
		})
	}
	r.must(end())
	if _, err := r.judge(attributes(`{"rate":10}`)); err == nil {
		t.Error("by an override that was ended")
	}
	if err := end(); !fault.Is(err, fault.NotFound) {
		t.Errorf("ended twice: %v", err)
	}
}

func TestCheck(t *testing.T) {
	for pointer, text := range map[string]string{
		"/tags/0/tag":        `{"tags":[{"tag":""}]}`,
		"/tags/1/tag":        `{"tags":[{"tag":"a"},{"tag":"["}]}`,
		"/tags/0/value":      `{"tags":[{"tag":"a","value":"/v"}]}`,
		"/tags/0/tag_at":     `{"tags":[{"tag":"a","method":"m","tag_at":"v"}]}`,
		"/tags/0/max":        `{"tags":[{"tag":"a","min":2,"max":1}]}`,
		"/tags/0/step":       `{"tags":[{"tag":"a","step":-1}]}`,
		"/tags/0/per_minute": `{"tags":[{"tag":"a","per_minute":601}]}`,
		"/hours/0":           `{"hours":["always"]}`,
		"/zone":              `{"zone":"Mars/Base"}`,
		"/requires/0/tag":    `{"requires":[{}]}`,
		"/requires/0/max":    `{"requires":[{"tag":"a","min":2,"max":1}]}`,
	} {
		var lock spec.Interlock
		if err := json.Unmarshal([]byte(text), &lock); err != nil {
			t.Fatal(err)
		}
		var got []string
		Check("", &lock, func(pointer, _ string, _ ...any) { got = append(got, pointer) })
		if len(got) == 0 || got[0] != pointer {
			t.Errorf("%s: %q is wrong, not %s", text, got, pointer)
		}
	}
	var patterned spec.Interlock
	if err := json.Unmarshal([]byte(`{"tags":[{"tag":"v*","method":"m"}]}`), &patterned); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	Check("", &patterned, func(string, string, ...any) { wrong++ })
	if wrong != 1 {
		t.Error("a method with a pattern for its tag, and nothing that names it")
	}
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte(`{"rate":2}`), []byte(`{"v":1}`))
	f.Add([]byte(`{"rate":2,"rate":3}`), []byte(`{"node":"n","value":{"x":[1]}}`))
	lock := &spec.Interlock{}
	nine := 9.0
	lock.Tags = []spec.TagRule{{Tag: "rate", Max: &nine}, {Tag: "rate", Method: "set", Value: "/v", Max: &nine}}
	f.Fuzz(func(t *testing.T, body, params []byte) {
		i := New(Config{Readings: known{}})
		for _, m := range []abi.Message{attributes(string(body)), rpc("set", string(params))} {
			v, no := i.judge(Ask{Connector: &spec.Connector{}, Message: &m, Now: noon()}, lock, nil)
			if no != nil {
				continue
			}
			for _, w := range v.writes { // whatever a guest's own reader makes of it
				var all map[string]float64
				if json.Unmarshal(m.Body, &all) != nil || len(all) != 1 || w.number > nine {
					t.Fatalf("%q was let through as %+v", m.Body, v.writes)
				}
				for _, value := range all {
					if value > nine {
						t.Fatalf("%q was let through as %+v", m.Body, v.writes)
					}
				}
			}
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	s := memory.New()
	defer func() { _ = s.Close() }()
	space, err := s.Tenant("acme")
	if err != nil {
		b.Fatal(err)
	}
	nine, half := 9.0, 20.0
	lock := &spec.Interlock{Tags: []spec.TagRule{{Tag: "rate", Max: &nine, Step: &half, PerMinute: 600}, {Tag: "valve*"}}, Hours: []string{"00:00-24:00"}}
	i := New(Config{Space: space, Readings: known{"d/rate": {Number: 5, Numeric: true, Good: true, Time: noon()}}})
	c := &spec.Connector{ID: "c", Grants: []spec.Grant{{Group: "serial", Rights: []spec.Right{spec.Write}, Interlock: lock}}}
	m := attributes(`{"rate":5,"valve7":"open"}`)
	now := noon()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		if _, _, err := i.Judge(b.Context(), Ask{Connector: c, Message: &m, Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}

// However many ask at once, no more are let through than the rate allows.
func TestHammerRate(t *testing.T) {
	r := newRig(t, `{"tags":[{"tag":"rate","per_minute":7}]}`)
	var let atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				m := attributes(`{"rate":1}`)
				_, _, err := r.Judge(context.WithoutCancel(t.Context()), Ask{Connector: r.connector(), Message: &m, Now: r.now})
				if err == nil {
					let.Add(1)
				} else if !fault.Is(err, fault.Interlocked) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := let.Load(); n != 7 {
		t.Errorf("%d were let through", n)
	}
}
