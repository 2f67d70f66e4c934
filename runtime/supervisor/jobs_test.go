package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// spawn asks the guest for a job, and answers what the guest said of its end.
func (r *rig) spawn(id string, order map[string]any, wait time.Duration) (abi.Reply, error) {
	r.t.Helper()
	order["do"] = "spawn"
	q, err := r.plant().Send(r.t.Context(), id, abi.Message{
		Type: abi.MessageRPC, Method: "spawn", Body: config(r.t, order), ContentType: "application/json",
		Deadline: time.Now().Add(wait).UnixNano(),
	})
	if err != nil {
		return abi.Reply{}, err
	}
	defer q.Close()
	return q.Next(r.t.Context())
}

// A job runs on a guest of its own: the guest that asked is not held up, and
// learns how it ended, well or badly.
func TestJobsRunBesideTheSteps(t *testing.T) {
	for _, module := range []string{"parley", "parleyrun"} {
		t.Run(module, func(t *testing.T) {
			r := newRig(t)
			v := r.connect(control.ConnectorInput{Name: "parley", Module: r.module(module)})
			r.state(v.ID, lifecycle.Running)
			reply, err := r.spawn(v.ID, map[string]any{"name": "count", "value": []int{1, 2}}, 10*time.Second)
			if err != nil || reply.Status != abi.ReplyComplete || !strings.Contains(string(reply.Body), "count") {
				t.Errorf("the job answered %+v %s, %v", reply, reply.Body, err)
			}
			slow := make(chan abi.Reply, 1)
			go func() {
				reply, _ := r.spawn(v.ID, map[string]any{"name": "slow", "value": "sleep", "after_ms": 1500}, 20*time.Second)
				slow <- reply
			}()
			began := time.Now()
			for range 5 {
				if reply, err := r.rpc(v.ID, "", 2*time.Second); err != nil || reply.Status != abi.ReplyComplete {
					t.Errorf("beside a job the guest answered %+v, %v", reply, err)
				}
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("beside a job five calls took %s", took)
			}
			if reply := <-slow; reply.Status == 0 && len(reply.Body) == 0 {
				t.Error("nobody heard how the slow job ended")
			}
			for value, want := range map[string]string{"fail": "was told to fail", "panic": "told to panic"} {
				reply, err := r.spawn(v.ID, map[string]any{"name": value, "value": value}, 10*time.Second)
				if err != nil || reply.Status != abi.ReplyError || !strings.Contains(reply.Err.Text+strings.Join(reply.Err.Parameters, " "), want) {
					t.Errorf("a job that has to %s: %+v, %v", value, reply, err)
				}
			}
			s := r.until(v.ID, "done with all", func(s lifecycle.Status) bool { return s.Counters.Jobs == 4 })
			if s.Restarts != 0 || s.State != lifecycle.Running {
				t.Errorf("a job's end was the connector's: %+v", s)
			}
		})
	}
}

// A job that takes longer than its time is ended, and the guest is told so.
func TestJobsEndWithTheirTime(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{Name: "parley", Module: r.module("parley")})
	r.state(v.ID, lifecycle.Running)
	began := time.Now()
	reply, err := r.spawn(v.ID, map[string]any{"name": "long", "value": "spin", "after_ms": 400}, 20*time.Second)
	if err != nil || reply.Status != abi.ReplyError || !strings.Contains(reply.Err.Error(), "did not return within") && !strings.Contains(reply.Err.Error(), "took longer than") {
		t.Errorf("it ended with %+v, %v", reply, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it ended after %s", took)
	}
}

// A stop ends the jobs first, and not behind the guest that is still at work: it
// may wait for a session that a job holds.
func TestStopEndsTheJobsFirst(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{Name: "parley", Module: r.module("parley")})
	r.state(v.ID, lifecycle.Running)
	ask := func(order map[string]any) *exchange.Question {
		t.Helper()
		q, err := r.plant().Send(t.Context(), v.ID, abi.Message{
			Type: abi.MessageRPC, Method: "x", Body: config(t, order), ContentType: "application/json",
			Deadline: time.Now().Add(time.Minute).UnixNano(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Close)
		return q
	}
	ask(map[string]any{"do": "spawn", "name": "long", "value": "sleep", "after_ms": 60000})
	first := ask(map[string]any{"do": "sleep", "after_ms": 500})
	ask(map[string]any{"do": "sleep", "after_ms": 2500})
	if _, err := first.Next(t.Context()); err != nil { // now it is at the second one
		t.Fatal(err)
	}
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	logs, err := r.tenant.Logs(t.Context(), v.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		line, err := logs.Next(t.Context())
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(line.Text, "the job long failed"):
			return
		case line.Target == "state" && strings.HasPrefix(line.Text, string(lifecycle.Stopped)):
			t.Fatal("the job went on for as long as the guest")
		}
	}
}
