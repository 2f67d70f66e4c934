package mqtt

import (
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// What was granted when a session was opened counts no longer than it is granted: a
// topic is not published to, a will is taken back, a connection ends. What is granted
// again works at once, however long the session would have waited.
func TestGrantsComeAndGo(t *testing.T) {
	r := mochi(t)
	slow := calm()
	slow.again, slow.retry = time.Hour, time.Hour
	c := open(t, group(paced(slow)), scope(r.at), args(r.at))
	held := func(resources ...string) []spec.Grant {
		return []spec.Grant{{Resources: append([]string{"broker:" + r.at, "topic:in/#"}, resources...), Rights: []spec.Right{spec.Read, spec.Write}}}
	}
	will := abi.MQTTWill{Handle: 1, Will: &abi.MQTTMessage{Topic: "dead", Payload: []byte("1")}}
	if _, err := c.Call(t.Context(), functionWill, will.Append(nil), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(t.Context(), functionReconnect, abi.Handle{Handle: 1}.Append(nil), nil); err != nil {
		t.Fatal(err)
	}
	c.want("down", "up")
	c.Ack(2)
	c.mustPublish(1, "a")

	c.Regrant(t.Context(), held("cidr:127.0.0.0/8"))
	c.want("down", "up") // without the will
	c.Ack(2)
	if i := c.infoNow(); i.Will != nil {
		t.Errorf("the broker has the will %+v", i.Will)
	}
	results, err := c.publish(abi.MQTTPublish{Messages: []abi.MQTTMessage{{Topic: "out", QoS: 1}}})
	if err != nil || results[0].Code != codeDenied {
		t.Errorf("a topic that is not granted any more: %+v, %v", results, err)
	}
	if hint := results[0].Hint; !strings.Contains(hint, "`snaprail grants add CONNECTOR mqtt \"topic:out\" --write`") {
		t.Errorf("who publishes is told what to do: %q", hint)
	}
	_, err = c.Call(t.Context(), functionWill, will.Append(nil), nil)
	wantKind(t, "a will that is not granted any more", err, fault.Denied)

	c.Regrant(t.Context(), held("topic:out"))
	c.want("down")
	c.Ack(1)
	eventually(t, "it has tried again", func() bool { return c.Condition().Reason != "" && !c.Condition().Up })
	c.Regrant(t.Context(), grants(r.at))
	c.want("up")
	c.mustPublish(1, "b")
	wantKind(t, "adopted without its subscription", c.Adopt(held("cidr:127.0.0.0/8")[:0]), fault.Denied)
	if err := c.Adopt(held()); err != nil {
		t.Errorf("adopted with its subscription: %v", err)
	}
}

// A session that only publishes misses nothing, and one that subscribes may.
func TestWhatOnlyPublishesMissesNothing(t *testing.T) {
	r := mochi(t)
	a := args(r.at)
	a.ClientID, a.SessionExpiryS = "receives", 0
	if c := open(t, group(), scope(r.at), a); c.Deaf() || c.Replayable() {
		t.Error("nothing is missed of what it subscribes to")
	}
	only := args(r.at)
	only.ClientID, only.SessionExpiryS, only.Subscriptions = "publishes", 0, nil
	if c := open(t, group(), scope(r.at), only); !c.Deaf() || !c.Replayable() {
		t.Error("something is missed although it subscribes to nothing")
	}
}
