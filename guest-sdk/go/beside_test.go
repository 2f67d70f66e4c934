package snaprail_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// worker asks for jobs and does them.
type worker struct{ labour }

type labour struct{}

func (worker) OnPublish(m *abi.Message, step *snaprail.Step) error {
	step.Spawn(abi.Job{Name: m.Method, Input: m.Body, TimeoutMS: 5})
	return nil
}

func (labour) OnJob(job *abi.Job, step *snaprail.Step) ([]byte, error) {
	if job.Name == "bad" {
		return nil, snaprail.NewError("job_failed", "no {0}", "way")
	}
	step.Telemetry("roof", 1, abi.Point{Name: "n", Value: abi.Int(1)})
	step.Reply(abi.Reply{Correlation: "other", Body: []byte("not the answer")})
	return job.Input, nil
}

func TestJobs(t *testing.T) {
	h := guesttest.New(t, worker{})
	out := h.MustMessage(abi.Message{Method: "sweep", Body: []byte(`{"deep":true}`)})
	want := []abi.Job{{Name: "sweep", Input: []byte(`{"deep":true}`), TimeoutMS: 5}}
	if !reflect.DeepEqual(out.Jobs, want) {
		t.Fatalf("asked for %+v", out.Jobs)
	}
	answer, out, err := h.Job(out.Jobs[0])
	if err != nil || answer != `{"deep":true}` || len(out.Batch.Records) != 1 {
		t.Errorf("answered %s with %+v, %v", answer, out, err)
	}
	if _, _, err := h.Job(abi.Job{Name: "bad"}); !snaprail.IsError(err, "job_failed") || !strings.Contains(err.Error(), "no way") {
		t.Errorf("a job that failed: %v", err)
	}
}

// doubling encodes a message into two, and refuses one.
type doubling struct{}

func (doubling) Encode(messages []abi.Message, out *snaprail.Messages) error {
	for i := range messages {
		switch messages[i].Method {
		case "bad":
			out.Reject(i, "no such method")
		case "none":
			out.Skip(i, "not for us")
		default:
			out.Add(&messages[i]).Body = append([]byte("1:"), messages[i].Body...)
			out.Add(&messages[i]).Body = append([]byte("2:"), messages[i].Body...)
		}
	}
	return nil
}

func TestEncode(t *testing.T) {
	h := guesttest.New(t, doubling{})
	for range 2 { // the second finds nothing of the first
		m := query()
		m.Body = []byte("b")
		out := h.MustEncode(m, abi.Message{Method: "bad"}, abi.Message{Method: "none"})
		if len(out.Messages) != 2 || string(out.Messages[1].Body) != "2:b" || out.Messages[1].Correlation != "q" || out.Messages[0].Device != "roof" {
			t.Errorf("made %+v", out.Messages)
		}
		want := []abi.Verdict{
			{Input: 1, Decision: abi.DecisionReject, Reason: "no such method"},
			{Input: 2, Decision: abi.DecisionSkip, Reason: "not for us"},
		}
		if !reflect.DeepEqual(out.Verdicts, want) {
			t.Errorf("judged %+v", out.Verdicts)
		}
	}
}

// whole has a handler for everything that is called in steps.
type whole struct {
	*full
	*spoken
	labour
	doubling
	*yard
}

// yard sets things up.
type yard struct{ made map[string]bool }

func (y *yard) Deploy(in *abi.DeployInput) ([]byte, error) {
	y.made[string(in.Device)+string(in.Config)] = true
	return []byte(`["a topic"]`), nil
}

func (y *yard) TearDown(in *abi.DeployInput) ([]byte, error) {
	delete(y.made, string(in.Device)+string(in.Config))
	return nil, nil
}

func TestDeploy(t *testing.T) {
	y := &yard{made: make(map[string]bool)}
	h := guesttest.New(t, y)
	if answer, err := h.Deploy(`{"id":"a"}`, `{"topic":"t"}`); err != nil || answer != `["a topic"]` || !y.made[`{"id":"a"}{"topic":"t"}`] {
		t.Errorf("deploy answered %s, %v, made %v", answer, err, y.made)
	}
	if answer, err := h.TearDown(`{"id":"a"}`, `{"topic":"t"}`); err != nil || answer != `null` || len(y.made) != 0 {
		t.Errorf("tear_down answered %s, %v, left %v", answer, err, y.made)
	}
}

func TestPollsSayWhoseTurnItIs(t *testing.T) {
	device := ""
	h := guesttest.New(t, &full{poll: func(_ []byte, step *snaprail.Step) error {
		device = step.Device()
		return nil
	}})
	if _, err := h.PollDevice("roof", nil); err != nil || device != "roof" {
		t.Errorf("polled %q, %v", device, err)
	}
	if h.MustPoll(nil); device != "" {
		t.Errorf("a poll of all is for %q", device)
	}
}
