package mqtt

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestContract(t *testing.T) {
	r := mochi(t)
	at := func(change ...func(*abi.MQTTOpen)) *abi.MQTTOpen {
		return args(r.at, append(change, func(a *abi.MQTTOpen) { a.OpenTimeoutMS = 9 * 1000 })...)
	}
	will := func(topic, payload string) func(*abi.MQTTOpen) {
		return func(a *abi.MQTTOpen) { a.Will = &abi.MQTTMessage{Topic: topic, Payload: []byte(payload)} }
	}
	message := func(topic string) []abi.MQTTMessage {
		return []abi.MQTTMessage{{Topic: topic, Payload: []byte("on"), QoS: 1}}
	}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  group(),
		Grants: grants(r.at),
		Less:   []spec.Grant{{Group: Name, Resources: []string{"broker:" + r.at, "topic:#"}, Rights: []spec.Right{spec.Read, spec.Write}}},
		Short:  []spec.Grant{{Group: Name, Resources: []string{"broker:" + r.at, "topic:dead", "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Read, spec.Write}}},
		Open:   at(will("dead", "1")),
		Equal: []hostfnstest.Message{
			at(will("dead", "2")), at(will("dead", "1"), func(a *abi.MQTTOpen) { a.Version, a.KeepAliveS, a.OpenTimeoutMS = 5, 30, 1 }),
		},
		Others: []hostfnstest.Message{
			at(will("alive", "1")), at(), at(v311), at(named("other")), at(func(a *abi.MQTTOpen) { a.Subscriptions = nil }),
			at(func(a *abi.MQTTOpen) { a.URL = strings.Replace(a.URL, "mqtt:", "mqtts:", 1) }),
		},
		Calls: []hostfnstest.Call{
			{Function: "publish", Request: &abi.MQTTPublish{Handle: 1}},
			{Function: "open", Request: at(func(a *abi.MQTTOpen) { a.URL = "http://" + r.at })},
			{Function: "open", Request: at(func(a *abi.MQTTOpen) { a.URL = "mqtt://127.0.0.2" })},
			{Function: "open", Request: at(func(a *abi.MQTTOpen) { a.Subscriptions[0].Filter = "$SYS/#" })},
			{Function: "open", Request: at(func(a *abi.MQTTOpen) { a.Subscriptions[0].Filter = "a/#/b" })},
			{Function: "open", Request: at(), Reply: &abi.Handle{}},
			{Function: "publish", Request: &abi.MQTTPublish{Handle: 1}, Reply: &abi.MQTTPublished{}},
			{Function: "publish", Request: &abi.MQTTPublish{Handle: 1, Messages: message("out")}, Reply: &abi.MQTTPublished{}},
			{Function: "publish", Request: &abi.MQTTPublish{Handle: 1, Messages: message("$SYS/x")}, Reply: &abi.MQTTPublished{}},
			{Function: "will", Request: &abi.MQTTWill{Handle: 1, Will: &abi.MQTTMessage{Topic: "dead", Payload: []byte("3")}}},
			{Function: "will", Request: &abi.MQTTWill{Handle: 1, Will: &abi.MQTTMessage{Topic: "a/+"}}},
			{Function: "will", Request: &abi.MQTTWill{Handle: 1, Will: &abi.MQTTMessage{Topic: "$x"}}},
			{Function: "reconnect", Request: &abi.Handle{Handle: 1}, Reply: &abi.MQTTInfo{}},
			{Function: "info", Request: &abi.Handle{Handle: 2}},
			{Function: "close", Request: &abi.Handle{Handle: 1}},
		},
		Log: strings.ReplaceAll(`
==> mqtt.publish(handle=1)
<== error=not_found
==> mqtt.open(uRL="http://BROKER",clientID="rail",sessionExpiryS=600,subscriptions=[{in/# 2 false false 0}],openTimeoutMS=9000)
<== error=invalid
==> mqtt.open(uRL="mqtt://127.0.0.2",clientID="rail",sessionExpiryS=600,subscriptions=[{in/# 2 false false 0}],openTimeoutMS=9000)
<== error=denied
==> mqtt.open(uRL="mqtt://BROKER",clientID="rail",sessionExpiryS=600,subscriptions=[{$SYS/# 2 false false 0}],openTimeoutMS=9000)
<== error=denied
==> mqtt.open(uRL="mqtt://BROKER",clientID="rail",sessionExpiryS=600,subscriptions=[{a/#/b 2 false false 0}],openTimeoutMS=9000)
<== error=invalid
==> mqtt.open(uRL="mqtt://BROKER",clientID="rail",sessionExpiryS=600,subscriptions=[{in/# 2 false false 0}],openTimeoutMS=9000)
<== handle=1
==> mqtt.publish(handle=1)
<== zero
==> mqtt.publish(handle=1,messages=[{out [111 110] 1 false false   [] 0 [] }])
<== results=[{  false 0 }]
==> mqtt.publish(handle=1,messages=[{$SYS/x [111 110] 1 false false   [] 0 [] }])
<== results=[{denied no grant covers topic:$SYS/x with the right to write false 0 Add a grant to the connector: `+"`"+`snaprail grants add CONNECTOR mqtt "topic:$SYS/x" --write`+"`"+`.}]
==> mqtt.will(handle=1,will={topic="dead",payload="3"})
<== ok
==> mqtt.will(handle=1,will={topic="a/+"})
<== error=invalid
==> mqtt.will(handle=1,will={topic="$x"})
<== error=denied
==> mqtt.reconnect(handle=1)
<== up=true,clientID="rail",sessionPresent=true,connections=2,will={topic="dead",payload="3"},maximumQoS=2,receiveMaximum=1024,keepAliveS=30
==> mqtt.info(handle=2)
<== error=not_found
==> mqtt.close(handle=1)
<== ok
`, "BROKER", r.at),
		Emit: func(t *testing.T, n int) {
			t.Helper()
			for range n {
				r.send("in/x", "42", 1)
			}
		},
	})
}
