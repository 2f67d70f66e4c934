package actor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// box is a group with sessions that take nothing before their callers give up.
type box struct{ opens bool }

var _ capability.Group = box{}

func (box) Name() string { return "box" }

func (box) Functions() []capability.Function {
	return []capability.Function{{Name: capability.OpenFunction}, {Name: "put"}, {Name: "draw", Consumes: true}}
}

func (box) Target(args []byte) (capability.Target, error) {
	return capability.Target{Resource: "box", Key: string(args)}, nil
}

func (b box) Open(ctx context.Context, _ capability.Scope, _ []byte) (capability.Session, error) {
	if !b.opens {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return stuck{}, nil
}

type stuck struct{}

func (stuck) Call(ctx context.Context, _ string, _, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (stuck) Close(context.Context) error { return nil }

// A call, or an opening, that waits for another guest's ends with its own
// context, however long the other one takes: a job with an hour in a write must
// not hold up the lane, nor a stop.
func TestWaitingForASessionEndsWithTheCall(t *testing.T) {
	t.Parallel()
	within := func(ctx context.Context, what string, d time.Duration, do func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		began := time.Now()
		if err := do(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != d {
			t.Errorf("%s ended after %s with %v", what, time.Since(began), err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		all := newSessions()
		open := func(ctx context.Context, b box, key string) (*session, error) {
			target, _ := b.Target([]byte(key))
			return all.open(ctx, b, target, capability.Scope{}, nil)
		}
		s, err := open(t.Context(), box{opens: true}, "a")
		if err != nil {
			t.Fatal(err)
		}
		guests := make([]*guest, 2)
		for i := range guests {
			guests[i] = &guest{
				surroundings: &surroundings{groups: capability.NewRegistry(box{}), sessions: all}, handles: []*session{s},
			}
		}
		put := func(g *guest) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := g.serve(ctx, end{}, "box", "put", abi.Handle{Handle: 1}.Append(nil), nil)
				return err
			}
		}
		go func() { _ = put(guests[0])(t.Context()) }() // until the end of the test
		synctest.Wait()
		within(t.Context(), "the lane's write", time.Second, put(guests[1]))

		opening := func(ctx context.Context) error {
			_, err := open(ctx, box{}, "b")
			return err
		}
		go func() { _ = opening(t.Context()) }()
		synctest.Wait()
		within(t.Context(), "the lane's opening", time.Second, opening)
	})
}

// A guest that is the last one gets no more jobs, and those that are under way
// end before it does.
func TestJobsEndWithTheLastGuest(t *testing.T) {
	t.Parallel()
	a := &Actor{}
	if !a.jobs.begin(t.Context()) {
		t.Fatal("no job begins")
	}
	a.Leave()
	if a.jobs.ctx.Err() == nil {
		t.Error("a job goes on behind the stop")
	}
	if a.jobs.begin(t.Context()) {
		t.Error("another job begins behind the stop")
	}
}
