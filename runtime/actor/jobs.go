package actor

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// The bounds of background jobs.
const (
	maxJobs     = 64  // of one lane that run or wait
	jobsAtOnce  = 4   // of one connector, each with a guest of its own
	maxJobName  = 256 // bytes
	jobTime     = 10 * time.Minute
	longestJob  = time.Hour
	maxJobInput = abi.MaxBatch
)

// jobs are the background jobs of one lane. They outlive the guests that asked
// for them, and end with the actor.
type jobs struct {
	mu      sync.Mutex
	pending int
	end     context.CancelFunc
	ctx     context.Context //nolint:containedctx // the life of the jobs, which is the actor's and no call's
	running sync.WaitGroup
	closed  bool
}

// turns are the places for jobs of one connector.
type turns chan struct{}

// deposit is what a job's guest hands to the lane, to be made durable between
// two of its steps.
type deposit struct {
	guest *guest
	out   []byte
	done  chan error // gets one
	last  uint64     // sequence of its block
}

// checkJobs refuses jobs that could not be done, before the step that asks for
// them becomes durable.
func (l *lane) checkJobs(wanted []abi.Job) error {
	if len(wanted) == 0 {
		return nil
	}
	l.jobs.mu.Lock()
	free := maxJobs - l.jobs.pending
	l.jobs.mu.Unlock()
	if len(wanted) > free {
		return fault.New(fault.TooLarge, "%d jobs may run and wait at once, and the module asks for %d more than that", maxJobs, len(wanted)-free)
	}
	size := 0
	for i := range wanted {
		size += len(wanted[i].Input)
		switch j := &wanted[i]; {
		case j.Name == "":
			return fault.New(fault.Invalid, "the module asks for a job that has no name").
				WithHint("Let the module name each job; the correlation of a message is empty when its sender wants no reply.")
		case len(j.Name) > maxJobName || len(j.Input) > maxJobInput:
			return fault.New(fault.TooLarge, "a job has a name of at most %d bytes and an input of at most %d", maxJobName, maxJobInput)
		}
	}
	if !l.pots.waiting.has(size) {
		return fault.New(fault.TooLarge, "jobs and notices of %d bytes may wait in all lanes of a connector", l.pots.waiting.most)
	}
	return nil
}

// startJobs starts what a step asked for that is durable now.
func (l *lane) startJobs(ctx context.Context, wanted []abi.Job) {
	for i := range wanted {
		job := abi.Job{Name: wanted[i].Name, Input: bytes.Clone(wanted[i].Input), TimeoutMS: wanted[i].TimeoutMS}
		if !l.jobs.begin(ctx) {
			l.jobEnded(job.Name, nil, fault.New(fault.Canceled, "the connector stops"))
			continue
		}
		v := l.version
		release := func(context.Context) {}
		if v.Hold != nil {
			release = v.Hold()
		}
		l.pots.waiting.add(len(job.Input))
		l.jobs.running.Go(func() { //nolint:contextcheck // a job outlives the step that asked for it
			defer l.jobs.ended()
			out, err := l.work(l.jobs.ctx, v, &job)
			release(context.WithoutCancel(l.jobs.ctx))
			l.pots.waiting.give(len(job.Input))
			l.jobEnded(job.Name, out, err)
		})
	}
}

// begin counts a job; false: the actor is closed.
func (j *jobs) begin(ctx context.Context) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	if j.ctx == nil {
		j.ctx, j.end = context.WithCancel(context.WithoutCancel(ctx))
	}
	j.pending++
	return true
}

func (j *jobs) ended() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending--
}

// cancel ends all jobs, and lets none begin.
func (j *jobs) cancel() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.end != nil {
		j.end()
	}
}

// close ends all jobs and waits for them.
func (j *jobs) close() {
	j.cancel()
	j.running.Wait()
}

// Leave says that the guest that runs is the last one, before it is told to
// stop: the jobs end with it, so that it waits for none that holds a session
// (I6).
func (a *Actor) Leave() { a.jobs.cancel() }

// work does one job on a guest of its own, in its turn.
func (a *Actor) work(ctx context.Context, v Version, job *abi.Job) ([]byte, error) {
	limit := jobTime
	if job.TimeoutMS > 0 {
		limit = min(time.Duration(min(job.TimeoutMS, uint64(longestJob/time.Millisecond)))*time.Millisecond, longestJob)
	}
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-ctx.Done():
		return nil, fault.New(fault.Canceled, "the connector stops")
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := a.workOn(within, v, job)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = fault.New(fault.Canceled, "the connector stops")
	case errors.Is(within.Err(), context.DeadlineExceeded):
		err = fault.New(fault.GuestDeadline, "the job took longer than %s", limit)
	}
	return out, err
}

func (a *Actor) workOn(ctx context.Context, v Version, job *abi.Job) ([]byte, error) {
	g, err := a.candidate(ctx, v, abi.ReasonJob)
	if err != nil {
		return nil, err
	}
	defer a.discard(context.WithoutCancel(ctx), g)
	g.candidate = false // it works for the guest that runs, with its rights
	if _, err := g.open(ctx, a.input(g, v, abi.ReasonJob)); err != nil {
		return nil, err
	}
	g.loop = worker{a, g}
	out, err := g.call(ctx, abi.EntryOnJob, job.Append(nil))
	if err != nil {
		return nil, err
	}
	out = slices.Clone(out)
	if _, err := a.deposit(ctx, g, out); err != nil {
		return nil, err
	}
	var view abi.OutcomeView
	if err := view.Decode(out); err != nil {
		return nil, fault.Wrap(fault.Guest, err, "the job's outcome cannot be read")
	}
	g.sayClose(ctx, abi.ReasonJob)
	return bytes.Clone(abi.JobAnswer(view.Replies)), nil
}

// deposit has the lane make an outcome of a job's guest durable, and waits for
// it.
func (a *Actor) deposit(ctx context.Context, g *guest, out []byte) (sequence uint64, err error) {
	d := &deposit{guest: g, out: out, done: make(chan error, 1)}
	select {
	case a.deposits <- d:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	err = <-d.done // the lane answers what it has taken
	return d.last, err
}

// settleDeposit makes what a job asks for durable, between two steps. Errors
// end the lane.
func (l *lane) settleDeposit(ctx context.Context, d *deposit) error {
	err := l.commitFor(ctx, d)
	if err != nil {
		d.guest.stage.take() // nothing of what was refused stays for the next one
	}
	d.last = l.sequence
	d.done <- err
	if err != nil && !guestsFault(err) && !heldBack(err) && !fault.Is(err, fault.Invalid) {
		return err
	}
	return nil
}

// commitFor commits the outcome of a job's guest. It has no inputs and no place
// in the source, so that it moves no cursor.
func (l *lane) commitFor(ctx context.Context, d *deposit) error {
	if err := l.view.Decode(d.out); err != nil {
		return fault.Wrap(fault.Guest, err, "the job's outcome cannot be read")
	}
	l.view.Replies = slices.DeleteFunc(l.view.Replies, func(r abi.Reply) bool { return r.Correlation == "" })
	if len(l.view.Jobs) > 0 {
		return fault.New(fault.Guest, "a job asks for another one")
	}
	if err := l.timers.check(l.view.Timers); err != nil {
		return err
	}
	if err := checkDevices(l.view.Devices); err != nil {
		return err
	}
	if err := l.checkReplies(); err != nil {
		return err
	}
	b := outbox.Block{Devices: l.view.Devices, Timers: l.view.Timers}
	var t tally
	if err := l.convert(ctx, &b, &t); err != nil {
		return err
	}
	b.Devices = d.guest.stage.devices.take(b.Devices)
	b.KV = d.guest.stage.take()
	if err := l.write(ctx, &b); err != nil {
		return err
	}
	l.tellRejects(b.Rejects)
	l.timers.apply(l.view.Timers, time.Now())
	l.sendReplies(ctx)
	l.count(func(c *lifecycle.Counters) { c.Skipped, c.Traps = c.Skipped+t.skipped, c.Traps+t.traps })
	return nil
}

// jobEnded tells the guest that runs, or runs next, how a job ended.
func (a *Actor) jobEnded(name string, answer []byte, err error) {
	e := abi.Event{Type: abi.EventJob, Name: name, Data: answer}
	if err != nil {
		e.Err = fault.ToABI(a.env.clean(err))
		a.env.line(abi.LogWarning, FromHost, "job", "the job "+name+" failed: "+a.env.masked(err.Error()))
	}
	a.count(func(c *lifecycle.Counters) { c.Jobs++ })
	if !a.Notify(e) {
		a.env.line(abi.LogError, FromHost, "job", "nobody was told how the job "+name+" ended: too much waits for the module")
	}
}

// worker is the lane as a job's guest sees it.
type worker struct {
	actor *Actor
	guest *guest
}

var _ looper = worker{}

func (worker) receive(context.Context, []byte, []byte) ([]byte, error) {
	return nil, fault.New(fault.Unsupported, "core.receive: not in a job, which has its input")
}

// settle implements looper: a job is begun when the step that asked for it is
// durable, and what it emits is so when emit returns.
func (worker) settle(context.Context) error { return nil }

func (w worker) emit(ctx context.Context, in, out []byte) ([]byte, error) {
	sequence, err := w.actor.deposit(ctx, w.guest, in)
	if err != nil {
		return nil, err
	}
	return abi.Emitted{Sequence: sequence}.Append(out[:0]), nil
}
