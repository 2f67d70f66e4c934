package twin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// rig is a tenant's log and store, with the connectors c and other.
type rig struct {
	*testing.T

	dir   string
	log   *outbox.Log
	space store.Space
	next  map[string]uint64

	twins *Twins
	stop  func()
}

func newRig(t *testing.T, lim Limits) *rig {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	space, err := s.Tenant("acme")
	r := &rig{T: t, dir: t.TempDir(), space: space, next: map[string]uint64{}}
	r.must(err)
	r.connector(spec.Connector{ID: "c"})
	r.connector(spec.Connector{ID: "other"})
	r.open()
	t.Cleanup(func() { _ = r.log.Close() })
	r.start(lim)
	return r
}

func (r *rig) open() {
	r.Helper()
	log, err := outbox.Open(r.dir, outbox.Config{SegmentBytes: 4 << 10, Keep: -1, Reserve: -1})
	r.must(err)
	r.log = log
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) connector(c spec.Connector) { r.put(store.Connectors, c.ID, c) }

func (r *rig) put(b store.Bucket, id string, v any) {
	r.Helper()
	raw, err := json.Marshal(v)
	r.must(err)
	r.must(r.space.Update(r.Context(), func(w store.Writer) error {
		_, err := w.Put(b, id, raw)
		return err
	}))
}

// start runs twins until the test, or stop, ends them.
func (r *rig) start(lim Limits) {
	r.Helper()
	r.twins = New(Config{Space: r.space, Outbox: r.log, Limits: lim, Every: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(r.Context())
	var running sync.WaitGroup
	running.Go(func() { r.twins.Run(ctx) })
	r.stop = func() {
		cancel()
		running.Wait()
	}
	r.Cleanup(r.stop)
}

// emit writes one block, and waits until the twins have read it.
func (r *rig) emit(b outbox.Block, records ...abi.Record) uint64 {
	r.Helper()
	seq := r.append(b, records...)
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	r.must(r.twins.Await(ctx, seq))
	return seq
}

func (r *rig) append(b outbox.Block, records ...abi.Record) uint64 {
	r.Helper()
	if b.Connector == "" {
		b.Connector = "c"
	}
	if b.Received == 0 {
		b.Received = time.Now().UnixNano()
	}
	if len(records) > 0 {
		batch := abi.Batch{Records: records}
		b.Records, b.Count = outbox.AppendBatch(nil, batch.Append(nil)), len(records)
	}
	b.Epoch, b.First = 1, r.next[b.Connector]
	r.next[b.Connector] += uint64(len(records))
	seq, err := r.log.Append(r.Context(), &b)
	r.must(err)
	return seq
}

func reading(device, tag string, v abi.Value, at time.Time) abi.Record {
	return abi.Record{Device: device, Time: at.UnixNano(), Points: []abi.Point{{Name: tag, Value: v, Unit: "Cel"}}}
}

func (r *rig) of(device string) Twin {
	r.Helper()
	tw, err := r.twins.Of(r.Context(), "c", device)
	r.must(err)
	return tw
}

func TestLatestReadingIsKept(t *testing.T) {
	r := newRig(t, Limits{})
	now := time.Now()
	r.emit(outbox.Block{}, reading("d", "t", abi.Double(20), now.Add(-time.Minute)), reading("d", "t", abi.Double(21.5), now),
		abi.Record{Device: "d", Kind: abi.KindAttributes, Time: now.UnixNano(), ContentType: "application/json", Payload: []byte(`{"fw":"1.2","on":true,"list":[1,2]}`)})
	tw := r.of("d")
	if got := tw.Telemetry["t"]; string(got.Raw()) != "21.5" || got.Unit != "Cel" || got.Time != now.UnixNano() || !got.Good() {
		t.Errorf("the reading %+v", got)
	}
	for tag, want := range map[string]string{"fw": `"1.2"`, "on": "true", "list": "[1,2]"} {
		if got := string(tw.Attributes[tag].Raw()); got != want {
			t.Errorf("the attribute %s is %s, not %s", tag, got, want)
		}
	}
	if got, ok := r.twins.Latest("c", "d", "t"); !ok || string(got.Raw()) != "21.5" {
		t.Errorf("the latest %+v, %t", got, ok)
	}
	if _, ok := r.twins.Latest("other", "d", "t"); ok {
		t.Error("another connector has the reading")
	}
}

// A reading that comes late is history; a clock that runs ahead shuts nothing out.
func TestOrderOfReadings(t *testing.T) {
	r := newRig(t, Limits{})
	now := time.Now()
	r.emit(outbox.Block{}, reading("d", "late", abi.Int(2), now), reading("d", "late", abi.Int(1), now.Add(-time.Minute)))
	r.emit(outbox.Block{}, reading("d", "ahead", abi.Int(1), now.AddDate(10, 0, 0)))
	r.emit(outbox.Block{}, reading("d", "ahead", abi.Int(2), time.Now()))
	tw := r.of("d")
	if tw.Telemetry["late"].Value.Int() != 2 || tw.Telemetry["ahead"].Value.Int() != 2 {
		t.Errorf("late %s, ahead %s", tw.Telemetry["late"].Raw(), tw.Telemetry["ahead"].Raw())
	}
	all, err := r.twins.History(t.Context(), "c", "d", Range{Tag: "late"})
	r.must(err)
	if h := all["late"]; len(all) != 1 || len(h) != 2 || h[0].Value.Int() != 1 || h[1].Value.Int() != 2 {
		t.Errorf("the history %+v", all)
	}
}

func TestDeclaredMappingReadsPayloads(t *testing.T) {
	r := newRig(t, Limits{})
	r.connector(spec.Connector{ID: "c", Mapping: []spec.Mapping{{Tag: "temp", Pointer: "/a/0/t", Unit: "Cel"}}})
	r.put(store.Devices, "c\x00own", spec.Device{ID: "own", Mapping: []spec.Mapping{{Tag: "volt", Pointer: "/v"}}})
	payload := func(device string) abi.Record {
		return abi.Record{Device: device, Time: time.Now().UnixNano(), ContentType: "application/json", Payload: []byte(`{"a":[{"t":4.5}],"v":9007199254740993}`)}
	}
	r.emit(outbox.Block{}, payload("d"), payload("own"), abi.Record{Device: "bad", ContentType: "application/json", Payload: []byte("{")},
		abi.Record{Device: "text", ContentType: "text/plain", Payload: []byte("1")})
	if d := r.of("d"); string(d.Telemetry["temp"].Raw()) != "4.5" || d.Telemetry["temp"].Unit != "Cel" || len(d.Telemetry) != 1 {
		t.Errorf("by the connector's mapping: %+v", d)
	}
	if d := r.of("own"); string(d.Telemetry["volt"].Raw()) != "9007199254740993" || len(d.Telemetry) != 1 {
		t.Errorf("by the device's own mapping: %+v", d)
	}
	if got := r.twins.Stats().Dropped[DropUnread]; got != 1 {
		t.Errorf("%d payloads could not be read", got)
	}
	r.connector(spec.Connector{ID: "c", Mapping: []spec.Mapping{{Tag: "v", Pointer: "/v"}}})
	r.twins.Refresh("c")
	r.emit(outbox.Block{}, payload("d"))
	if d := r.of("d"); d.Telemetry["v"].Value.Int() != 9007199254740993 {
		t.Errorf("by the changed mapping: %+v", d)
	}
}

// What was read is there after a restart: the latest from the store, the history
// from the log, and what came meanwhile.
func TestRestartCatchesUp(t *testing.T) {
	r := newRig(t, Limits{})
	now := time.Now()
	r.emit(outbox.Block{}, reading("d", "t", abi.Uint(1), now.Add(-2*time.Second)), reading("d", "nan", abi.Bytes([]byte{0xff}), now))
	r.emit(outbox.Block{}, reading("d", "t", abi.Uint(2), now.Add(-time.Second)), reading("gone", "t", abi.Int(1), now))
	r.stop()
	r.append(outbox.Block{}, reading("d", "t", abi.Uint(3), now))
	r.append(outbox.Block{Devices: []abi.DeviceChange{{Change: abi.ChangeRemove, ID: "gone"}}})
	r.must(r.log.Close())
	r.open()
	r.start(Limits{})
	r.emit(outbox.Block{Connector: "other"}, reading("d", "t", abi.Int(9), now))
	tw := r.of("d")
	if tw.Telemetry["t"].Value.Uint() != 3 || tw.Telemetry["nan"].Value.Bytes()[0] != 0xff {
		t.Errorf("after the restart: %+v", tw)
	}
	if gone := r.of("gone"); len(gone.Telemetry) > 0 {
		t.Errorf("a device that was removed is there: %+v", gone)
	}
	all, err := r.twins.History(t.Context(), "c", "d", Range{Tag: "t"})
	r.must(err)
	if len(all["t"]) != 3 {
		t.Errorf("the history after the restart: %+v", all)
	}
}

// The latest readings are in the store: a log of which nothing is left does not
// take them away.
func TestReadingsAreStored(t *testing.T) {
	r := newRig(t, Limits{})
	r.emit(outbox.Block{}, reading("d", "t", abi.String("x\x00y"), time.Now()))
	r.stop()
	r.must(r.log.Close())
	r.dir = t.TempDir()
	r.open()
	r.start(Limits{})
	r.next = map[string]uint64{}
	r.emit(outbox.Block{}, reading("e", "t", abi.Int(1), time.Now()))
	if got := r.of("d").Telemetry["t"]; got.Value.String() != "x\x00y" || got.Unit != "Cel" {
		t.Errorf("the stored reading %+v", got)
	}
}

func TestBoundsAreKeptAndCounted(t *testing.T) {
	r := newRig(t, Limits{Devices: 4, Tags: 3, Value: 8, Points: 4})
	now := time.Now()
	for i := range 5 {
		r.emit(outbox.Block{}, reading(fmt.Sprint("d", i), "t", abi.Int(1), now))
	}
	r.emit(outbox.Block{Connector: "other"}, reading("d", "t", abi.Int(1), now)) // has its own half
	for i := range 5 {
		r.emit(outbox.Block{}, reading("d0", fmt.Sprint("t", i), abi.Int(1), now))
	}
	for i := range 10 {
		r.emit(outbox.Block{}, reading("d0", "t", abi.Int(int64(i)), now.Add(time.Duration(i))))
	}
	r.emit(outbox.Block{}, reading("d0", "t", abi.String(strings.Repeat("x", 9)), now))
	s := r.twins.Stats()
	if s.Devices != 3 || s.Dropped[DropDevices] != 3 || s.Dropped[DropTags] != 3 || s.Dropped[DropValue] != 1 {
		t.Errorf("the bounds: %+v", s)
	}
	all, err := r.twins.History(t.Context(), "c", "d0", Range{Tag: "t"})
	r.must(err)
	if h := all["t"]; len(h) != 4 || h[0].Value.Int() != 6 || h[3].Value.Int() != 9 {
		t.Errorf("the history %+v", h)
	}
}

// The room for all readings together is never exceeded, and neither is that of
// the histories.
func TestBytesAreBounded(t *testing.T) {
	r := newRig(t, Limits{Bytes: 20 << 10, History: 4 << 10})
	now := time.Now()
	for i := range 200 {
		r.emit(outbox.Block{}, reading(fmt.Sprint("d", i%40), fmt.Sprint("t", i), abi.String(strings.Repeat("x", i)), now))
	}
	s := r.twins.Stats()
	if s.Bytes > 10<<10 || s.Bytes < 8<<10 || s.Dropped[DropBytes] == 0 {
		t.Errorf("the bytes: %+v", s)
	}
	if s.History > 4<<10 {
		t.Errorf("the histories: %+v", s)
	}
	r.twins.Drop("c", "")
	for i := range 200 {
		r.emit(outbox.Block{Connector: "other"}, reading("d", "t", abi.Int(int64(i)), now))
	}
	if s := r.twins.Stats(); s.History > 4<<10 || s.History < 3<<10 {
		t.Errorf("the history of one tag: %+v", s)
	}
	// One that comes later has its share, and the first one gives of its own.
	for i := range 200 {
		r.emit(outbox.Block{Connector: "other"}, reading("d", "u", abi.Int(int64(i)), now), reading("d", "t", abi.Int(int64(i)), now))
	}
	all, err := r.twins.History(t.Context(), "other", "d", Range{})
	r.must(err)
	if h := r.twins.Stats().History; len(all["t"]) != len(all["u"]) || len(all["u"]) < 30 || h > 4<<10 {
		t.Errorf("%d and %d samples, %d bytes", len(all["t"]), len(all["u"]), h)
	}
	r.twins.Drop("other", "d")
	if s := r.twins.Stats(); s.Bytes != 0 || s.History != 0 || s.Devices != 0 {
		t.Errorf("after all was dropped: %+v", s)
	}
}

func TestHistoryHasAnAge(t *testing.T) {
	r := newRig(t, Limits{Age: time.Minute})
	now := time.Now()
	r.emit(outbox.Block{}, reading("d", "t", abi.Int(1), now.Add(-2*time.Minute)), reading("d", "t", abi.Int(2), now))
	all, err := r.twins.History(t.Context(), "c", "d", Range{})
	r.must(err)
	if len(all["t"]) != 1 {
		t.Errorf("the window holds %+v", all)
	}
	before := r.twins.Stats().History
	r.twins.sweep(now)
	if after := r.twins.Stats().History; after != before-sampleBytes {
		t.Errorf("the sweep left %d of %d bytes", after, before)
	}
}

// What is lost of the log is counted, and the rest is read.
func TestGapsAreCounted(t *testing.T) {
	r := newRig(t, Limits{})
	r.emit(outbox.Block{}, reading("d", "t", abi.Int(1), time.Now()))
	r.stop()
	for i := range 2000 { // far beyond what the log keeps for nobody
		r.append(outbox.Block{}, reading("d", "t", abi.Int(int64(i)), time.Now()))
	}
	r.must(r.log.Close())
	log, err := outbox.Open(r.dir, outbox.Config{SegmentBytes: 4 << 10, MaxBytes: 8 << 10, Keep: -1, Reserve: -1})
	r.must(err)
	r.log = log
	r.log.Trim()
	r.start(Limits{})
	r.emit(outbox.Block{}, reading("d", "t", abi.Int(5000), time.Now()))
	if s := r.twins.Stats(); s.Gaps == 0 || s.Missing == 0 {
		t.Errorf("no gap was counted: %+v", s)
	}
	if got := r.of("d").Telemetry["t"].Value.Int(); got != 5000 {
		t.Errorf("the reading behind the gap is %d", got)
	}
}

// What was emitted for a connector that is gone comes back to no life.
func TestPurgedConnectorStaysGone(t *testing.T) {
	r := newRig(t, Limits{})
	r.must(r.space.Update(t.Context(), func(w store.Writer) error { return w.Delete(store.Connectors, "c") }))
	r.emit(outbox.Block{}, reading("d", "t", abi.Int(1), time.Now()))
	for until := time.Now().Add(time.Minute); r.twins.Stats().Devices > 0; {
		if time.Now().After(until) {
			t.Fatal("the twin of a connector that is gone stays")
		}
		r.must(r.twins.ready(t.Context()))
	}
	r.stop()
	r.must(r.space.View(t.Context(), func(rd store.Reader) error {
		_, err := rd.Get(store.Twins, "c\x00rd")
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("the store has a twin of it: %v", err)
		}
		return nil
	}))
}

func TestDesired(t *testing.T) {
	r := newRig(t, Limits{})
	want := Desired{Values: map[string]json.RawMessage{"rate": json.RawMessage("10.0"), "mode": json.RawMessage(`"auto"`), "new": json.RawMessage("1")}}
	var put Desired
	write := func(d Desired, revision uint64) error {
		return r.space.Update(t.Context(), func(w store.Writer) (err error) {
			put, err = WriteDesired(w, "c", "d", d, revision)
			return err
		})
	}
	r.must(write(want, 0))
	if err := write(want, 7); !fault.Is(err, fault.StaleRevision) {
		t.Errorf("another revision: %v", err)
	}
	r.must(write(want, 1))
	if put.Revision != 2 {
		t.Errorf("the revision is %d", put.Revision)
	}
	many := Desired{Values: map[string]json.RawMessage{}}
	for i := range MaxDesired + 1 {
		many.Values[fmt.Sprint(i)] = json.RawMessage("1")
	}
	if err := write(many, 0); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too many: %v", err)
	}
	if err := write(Desired{Values: map[string]json.RawMessage{"": json.RawMessage("1")}}, 0); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a name: %v", err)
	}
	r.emit(outbox.Block{}, abi.Record{Device: "d", Kind: abi.KindAttributes, Time: time.Now().UnixNano(), Payload: []byte(`{"rate":10,"mode":"off"}`)})
	if got := string(Body(want.Delta(r.of("d").Attributes))); got != `{"mode":"auto","new":1}` {
		t.Errorf("the delta is %s", got)
	}
}

// TestDesiredIsBounded: what is wanted of all devices of a connector, of which none
// was ever heard of, has bounds, and goes with the devices.
func TestDesiredIsBounded(t *testing.T) {
	r := newRig(t, Limits{})
	long := json.RawMessage(`"` + strings.Repeat("x", 60<<10) + `"`)
	write := func(connector, device string, value json.RawMessage) error {
		return r.space.Update(t.Context(), func(w store.Writer) error {
			_, err := WriteDesired(w, connector, device, Desired{Values: map[string]json.RawMessage{"a": value}}, 0)
			return err
		})
	}
	count := func() (all wanted) {
		r.must(r.space.View(t.Context(), func(rd store.Reader) (err error) {
			all, err = wantedOf(rd, "c")
			return err
		}))
		return all
	}
	n := 0
	var err error
	for ; err == nil && n < 1000; n++ {
		err = write("c", fmt.Sprint("d", n), long)
	}
	if !fault.Is(err, fault.Exhausted) || n < MaxWantedBytes/(64<<10) || n > MaxWantedBytes/(60<<10)+1 {
		t.Fatalf("something is wanted of %d devices: %v", n, err)
	}
	r.must(write("other", "d", long))
	r.must(write("c", "d0", json.RawMessage("1")))
	r.must(write("c", fmt.Sprint("d", n), long)) // in the room that d0 had

	r.put(store.Devices, "c\x00d2", spec.Device{ID: "d2", State: spec.DeviceConnected})
	before := count()
	r.twins.Drop("c", "d1")
	r.twins.Drop("c", "d2") // which is there again
	r.twins.Drop("c", "nobody")
	for end := time.Now().Add(time.Minute); count().Devices == before.Devices && time.Now().Before(end); {
		r.emit(outbox.Block{})
	}
	if now := count(); now.Devices != before.Devices-1 || now.Bytes > before.Bytes-(60<<10) || now.Bytes < before.Bytes-(64<<10) {
		t.Errorf("with one device fewer: %+v, and before %+v", now, before)
	}
	r.must(r.space.View(t.Context(), func(rd store.Reader) error {
		for device, want := range map[string]int{"d1": 0, "d2": 1} {
			if d, err := ReadDesired(rd, "c", device); err != nil || len(d.Values) != want {
				t.Errorf("%s: %d values, %v", device, len(d.Values), err)
			}
		}
		return nil
	}))

	r.put(store.Twins, wantedID("c"), wanted{Devices: MaxWanted})
	if err := write("c", "one more", json.RawMessage("1")); !fault.Is(err, fault.Exhausted) {
		t.Errorf("beyond the devices: %v", err)
	}
	r.must(write("c", "d0", json.RawMessage("22")))
}

func BenchmarkApply(b *testing.B) {
	log, err := outbox.Open(b.TempDir(), outbox.Config{Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	t := New(Config{Outbox: log})
	batch := abi.Batch{}
	for i := range 100 {
		batch.Records = append(batch.Records, reading(fmt.Sprint("d", i), "t", abi.Double(1), time.Now()))
	}
	raw := batch.Append(nil)
	block := outbox.Block{Seq: 1, Connector: "c", Records: outbox.AppendBatch(nil, raw), Count: 100, Received: time.Now().UnixNano()}
	b.ReportAllocs()
	for b.Loop() {
		block.Seq++
		t.apply(b.Context(), &block, &batch)
	}
}

func TestHammerTwins(t *testing.T) {
	r := newRig(t, Limits{Devices: 40, History: 8 << 10})
	ctx := context.WithoutCancel(t.Context())
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 300 {
				device := fmt.Sprint("d", (i+n)%20)
				switch (i + n) % 5 {
				case 0:
					r.twins.Drop("c", device)
				case 1:
					r.twins.Refresh("c")
				case 2:
					_, _ = r.twins.History(ctx, "c", device, Range{})
				case 3:
					_, _ = r.twins.Latest("c", device, "t")
				default:
					_, _ = r.twins.Of(ctx, "c", device)
				}
			}
		})
	}
	for i := range 300 {
		r.append(outbox.Block{}, reading(fmt.Sprint("d", i%20), "t", abi.Int(int64(i)), time.Now()))
	}
	all.Wait()
	r.emit(outbox.Block{}, reading("last", "t", abi.Int(1), time.Now()))
	r.twins.Drop("c", "")
	if s := r.twins.Stats(); s.Bytes != 0 || s.History != 0 || s.Devices != 0 || r.twins.tags != 0 {
		t.Errorf("the books do not balance: %+v, %d tags", s, r.twins.tags)
	}
}
