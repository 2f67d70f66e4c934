package snaprail

import (
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Step collects what a handler asks for: records, verdicts on its inputs, the
// cursor, timers, devices. It is applied whole when the handler returns nil.
// It may refer to the handler's inputs, because it is encoded before they are
// gone, and it is reused for the next call: do not keep it.
type Step struct {
	out     abi.Outcome
	cursor  []byte
	name    string      // the connector's, of the last open
	device  string      // that the running call is for
	input   int         // the message that is being handled, among the inputs
	emitted abi.Emitted // the last block
	emptied int         // how often
}

// Outcome is what has been asked for so far, for what the methods do not cover.
func (s *Step) Outcome() *abi.Outcome { return &s.out }

// Record adds a record and answers it to be filled in. The pointer is valid
// until the next record is added.
func (s *Step) Record(kind abi.Kind, device string, at int64) *abi.Record {
	r := s.next()
	r.Kind, r.Time = kind, at // field by field: package wire says why
	r.Device, r.ContentType, r.SourceKey = device, "", ""
	r.Payload, r.Key = nil, nil
	r.Points, r.Headers = r.Points[:0], r.Headers[:0]
	return r
}

// next adds a record, with what an earlier one left in it.
func (s *Step) next() *abi.Record {
	records := s.out.Batch.Records
	n := len(records)
	if n < cap(records) {
		records = records[:n+1]
	} else {
		records = append(records, abi.Record{})
	}
	s.out.Batch.Records = records
	return &records[n]
}

// Telemetry adds a record of readings, taken at a time in unix ns.
func (s *Step) Telemetry(device string, at int64, points ...abi.Point) *abi.Record {
	return s.readings(abi.KindTelemetry, device, at, points)
}

// Attributes adds a record of what changes seldom: a serial number, a version.
func (s *Step) Attributes(device string, at int64, points ...abi.Point) *abi.Record {
	return s.readings(abi.KindAttributes, device, at, points)
}

// readings is Record with points, in one function: a call costs a guest as much
// as the half of it.
func (s *Step) readings(kind abi.Kind, device string, at int64, points []abi.Point) *abi.Record {
	r := s.next()
	own := r.Points
	if n := len(points); n <= cap(own) {
		own = own[:n]
	} else {
		own = make([]abi.Point, n)
	}
	for i := range own {
		to, from := &own[i], &points[i]
		to.Quality, to.SourceTime = from.Quality, from.SourceTime
		to.Name, to.Unit, to.Value = from.Name, from.Unit, from.Value
	}
	r.Kind, r.Time = kind, at
	r.Device, r.ContentType, r.SourceKey = device, "", ""
	r.Payload, r.Key, r.Points, r.Headers = nil, nil, own, r.Headers[:0]
	return r
}

// Payload adds a record of bytes as the device sent them, for a converter to
// read. The bytes are not copied before the handler returns.
func (s *Step) Payload(device string, at int64, contentType string, payload []byte) *abi.Record {
	r := s.next() // and not Record, whose call and cleared fields cost as much again
	r.Kind, r.Time = abi.KindTelemetry, at
	r.Device, r.ContentType = device, contentType
	r.Payload = payload
	if len(r.SourceKey) > 0 {
		r.SourceKey = ""
	}
	if r.Key != nil {
		r.Key = nil
	}
	r.Points, r.Headers = r.Points[:0], r.Headers[:0]
	return r
}

// Skip says that an input is not wanted. It is counted.
func (s *Step) Skip(input int, reason string) {
	s.verdict(abi.Verdict{Input: uint32(input), Decision: abi.DecisionSkip, Reason: reason})
}

// Reject says that an input cannot be handled. It is kept in quarantine.
func (s *Step) Reject(input int, reason string) {
	s.verdict(abi.Verdict{Input: uint32(input), Decision: abi.DecisionReject, Reason: reason})
}

// Retry asks for an input again after a while.
func (s *Step) Retry(input int, after time.Duration, reason string) {
	s.verdict(abi.Verdict{
		Input:        uint32(input),
		Decision:     abi.DecisionRetry,
		Reason:       reason,
		RetryAfterMS: milliseconds(after),
	})
}

// RetryFor is Retry because of an error of a host call, whose kind and hint are shown
// with its text: a person is told what to do about it.
func (s *Step) RetryFor(input int, after time.Duration, why *abi.Error) {
	s.verdict(abi.Verdict{
		Input:        uint32(input),
		Decision:     abi.DecisionRetry,
		Reason:       why.Text,
		RetryAfterMS: milliseconds(after),
		Kind:         why.Kind,
		Hint:         why.Hint,
	})
}

// verdict notes a verdict. The last one on an input counts: a handler that skips an
// input and then finds out that it has to reject it means the second, and two for
// one input would cost the whole step.
func (s *Step) verdict(v abi.Verdict) {
	for i := len(s.out.Verdicts) - 1; i >= 0; i-- {
		if s.out.Verdicts[i].Input == v.Input {
			s.out.Verdicts[i] = v
			return
		}
	}
	s.out.Verdicts = append(s.out.Verdicts, v)
}

// SetCursor says where the source stands after this step. The cursor is copied.
func (s *Step) SetCursor(cursor []byte) {
	if s.cursor == nil {
		s.cursor = make([]byte, 0, max(len(cursor), 16)) // an empty cursor is not "unchanged"
	}
	s.cursor = append(s.cursor[:0], cursor...)
	s.out.Cursor = s.cursor
}

// PutDevice adds a device of the connector, or replaces what is known of it.
func (s *Step) PutDevice(id, deviceType, name string) {
	s.change(abi.DeviceChange{Change: abi.ChangePut, ID: id, Type: deviceType, Name: name})
}

// RemoveDevice deletes a device of the connector, here and upstream. See
// DisconnectDevice.
func (s *Step) RemoveDevice(id string) {
	s.change(abi.DeviceChange{Change: abi.ChangeRemove, ID: id})
}

func (s *Step) change(c abi.DeviceChange) { s.out.Devices = append(s.out.Devices, c) }

// After asks for one EventTimer of this name.
func (s *Step) After(name string, after time.Duration) {
	s.timer(abi.Timer{Name: name, AfterMS: milliseconds(after)})
}

// Every asks for an EventTimer of this name again and again.
func (s *Step) Every(name string, every time.Duration) {
	ms := max(milliseconds(every), 1)
	s.timer(abi.Timer{Name: name, AfterMS: ms, EveryMS: ms})
}

// ClearTimer takes a timer back.
func (s *Step) ClearTimer(name string) { s.timer(abi.Timer{Name: name, Clear: true}) }

func (s *Step) timer(t abi.Timer) { s.out.Timers = append(s.out.Timers, t) }

// Reply answers the message with the same correlation. Complete and the methods
// beside it are shorter, and check what they are given.
func (s *Step) Reply(reply abi.Reply) { s.out.Replies = append(s.out.Replies, reply) }

// Await has, in Deliver, the records settled once what the ticket is of has ended
// well, and lets Deliver return before. Unless it does they are handed in again, and
// all that are behind them: with DeliverInput.Wait, when no ticket may be given, until
// a delivery of them was settled. Nothing else may be asked for beside tickets.
func (s *Step) Await(t abi.Ticket) { s.out.Tickets = append(s.out.Tickets, t) }

// NextPoll asks for the next poll after a while, once, in place of the
// connector's interval.
func (s *Step) NextPoll(after time.Duration) {
	s.out.NextPollMS = max(milliseconds(after), 1)
}

// reset empties the step and keeps its memory.
func (s *Step) reset() {
	s.emptied++
	out := &s.out
	out.Batch.Records = out.Batch.Records[:0]
	out.Verdicts = out.Verdicts[:0]
	out.Cursor = nil
	out.Timers = out.Timers[:0]
	out.Devices = out.Devices[:0]
	out.Replies = out.Replies[:0]
	out.NextPollMS = 0
	out.Jobs = out.Jobs[:0]
	out.Tickets = out.Tickets[:0]
}

// begin empties the step for a call.
func (s *Step) begin() {
	s.reset()
	s.device, s.input, s.emitted = "", 0, abi.Emitted{}
}

// mark is how much a step asks for.
type mark struct {
	records, verdicts, timers, devices, replies, jobs, tickets int

	cursor   []byte
	nextPoll uint64
	emptied  int
}

func (s *Step) mark() mark {
	out := &s.out
	m := mark{
		records: len(out.Batch.Records), verdicts: len(out.Verdicts), timers: len(out.Timers),
		devices: len(out.Devices), replies: len(out.Replies), jobs: len(out.Jobs), tickets: len(out.Tickets), nextPoll: out.NextPollMS, emptied: s.emptied,
	}
	if out.Cursor != nil {
		m.cursor = append([]byte{}, out.Cursor...)
	}
	return m
}

// rollBack takes back what was asked for since a mark, but for what was emitted.
func (s *Step) rollBack(to mark) {
	if s.emptied != to.emptied {
		s.reset()
		return
	}
	out := &s.out
	out.Batch.Records = out.Batch.Records[:to.records]
	out.Verdicts, out.Timers = out.Verdicts[:to.verdicts], out.Timers[:to.timers]
	out.Devices, out.Replies, out.Jobs = out.Devices[:to.devices], out.Replies[:to.replies], out.Jobs[:to.jobs]
	out.Tickets = out.Tickets[:to.tickets]
	out.Cursor, out.NextPollMS = to.cursor, to.nextPoll
}

// skipUnknown answers the events of a newer contract, unless the handler has.
func (s *Step) skipUnknown(events []abi.Event) {
	for i := range events {
		if events[i].Type > abi.LastEvent && !s.judged(i) {
			s.Skip(i, "unsupported event type "+strconv.FormatUint(uint64(events[i].Type), 10))
		}
	}
}

func (s *Step) judged(input int) bool {
	for _, v := range s.out.Verdicts {
		if v.Input == uint32(input) {
			return true
		}
	}
	return false
}

// milliseconds rounds up, so that a wait is never shorter than asked for.
func milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d + time.Millisecond - 1) / time.Millisecond)
}
