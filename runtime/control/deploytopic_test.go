package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// grantTopics gives the factory topics of a broker, to write.
func (y *yard) grantTopics(resources ...string) {
	y.t.Helper()
	c := y.read("yard")
	grants := slices.DeleteFunc(slices.Clone(c.Grants), func(g spec.Grant) bool { return g.Group == "kafka" })
	if len(resources) > 0 {
		grants = append(grants, spec.Grant{Group: "kafka", Resources: resources, Rights: []spec.Right{spec.Write}})
	}
	in := control.ConnectorInput{Name: "yard", Module: c.Module, Config: c.Config, Grants: grants}
	if _, err := y.UpdateConnector(y.t.Context(), "yard", in, 0); err != nil {
		y.t.Fatal(err)
	}
}

// TestTopicsOfADeployment: a topic is made with the device and goes with it, and
// what was there before stays (S0.15).
func TestTopicsOfADeployment(t *testing.T) {
	k := peertest.StartKafka(t)
	y := newYard(t)
	topic := func(more string) string {
		return fmt.Sprintf(`{"topic":true,"bare":true,"brokers":[%q]%s}`, k.Address, more)
	}
	refused := func(config, want string) {
		t.Helper()
		if _, err := y.Deploy(t.Context(), press(config)); !fault.Is(err, fault.DeployFailed) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		noTopics(t, k)
	}
	refused(topic(""), "no grant covers")
	y.grantTopics("kafka://"+k.Address+"/other", "cidr:127.0.0.0/8")
	refused(topic(""), "no grant covers")
	y.grantTopics("kafka://" + k.Address + "/press")
	refused(topic(""), "127.0.0.1")
	y.grantTopics("kafka://"+k.Address+"/press", "kafka://127.0.0.1:1/press", "cidr:127.0.0.0/8")

	v := y.deploy(topic(`,"partitions":2`))
	if made(v) != "topic press made" || !strings.Contains(k.Kcat("", "-L", "-t", "press"), "with 2 partitions") {
		t.Errorf("%s, %s", made(v), k.Kcat("", "-L"))
	}
	if v = y.deploy(topic(`,"partitions":2`)); v.Changed {
		t.Error("the same again changed something")
	}
	k.Kcat("a:1\n", "-P", "-t", "press", "-K:")
	if v = y.deploy(topic(`,"partitions":3`)); made(v) != "topic press made" || !strings.Contains(k.Kcat("", "-L", "-t", "press"), "with 2 partitions") {
		t.Errorf("%s: a topic that is there is not changed", made(v))
	}
	elsewhere := `{"topic":true,"bare":true,"brokers":["127.0.0.1:1"]}`
	if _, err := y.Deploy(t.Context(), press(elsewhere)); err == nil || !strings.Contains(err.Error(), "does not move") {
		t.Errorf("to other brokers: %v", err)
	}
	if got := k.Kcat("", "-C", "-t", "press", "-e"); got != "1\n" {
		t.Errorf("it holds %q", got)
	}

	refusedEnd := fmt.Sprintf(`{"topic":true,"bare":true,"brokers":[%q],"end":"error"}`, k.Address)
	if _, err := y.Deploy(t.Context(), press(refusedEnd)); !fault.Is(err, fault.DeployFailed) || !slices.Contains(k.Topics(), "press") {
		t.Errorf("a deployment that fails keeps what was there before: %v, %v", err, k.Topics())
	}
	if v, err := y.TearDown(t.Context(), "press", 0); err != nil || made(v) != "" {
		t.Errorf("%s, %v", made(v), err)
	}
	noTopics(t, k)
	refused(refusedEnd, "told to fail")

	k.MakeTopic("press", 1)
	if v := y.deploy(topic("")); made(v) != "" {
		t.Errorf("a topic of somebody else: %s", made(v))
	}
	if _, err := y.TearDown(t.Context(), "press", 0); err != nil || !slices.Contains(k.Topics(), "press") {
		t.Errorf("%v, there are %v", err, k.Topics())
	}
	k.DeleteTopic("press")

	// Nobody answers: it stays an orphan, until somebody does.
	y.deploy(topic(""))
	k.Stop()
	v, err := y.TearDown(t.Context(), "press", 0)
	if err != nil || made(v) != "topic press orphan" {
		t.Fatalf("%s, %v", made(v), err)
	}
	k.Start()
	if v, err = y.RetryDeployment(t.Context(), v.UUID); err != nil || made(v) != "" {
		t.Errorf("%s, %v", made(v), err)
	}
	noTopics(t, k)
}

// noTopics waits until the broker knows of none: it learns of what its controller
// did a moment later.
func noTopics(t *testing.T, k *peertest.Kafka) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); len(k.Topics()) > 0; {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("there are %v", k.Topics())
		}
	}
}
