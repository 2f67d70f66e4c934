package kafka

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestContract(t *testing.T) {
	r := cluster(t, kfake.SeedTopics(3, "lines"))
	lines := r.args(func(a *abi.KafkaOpen) { a.Topic = "lines" })
	handle := func(q abi.KafkaProduce) *abi.KafkaProduce { q.Handle = 1; return &q }
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  group(),
		Grants: r.grants(),
		Less:   []spec.Grant{{Group: Name, Resources: []string{r.resource("*")}}},
		Short:  r.grants(spec.Write),
		Open:   r.args(inGroup("suite")),
		Equal: []hostfnstest.Message{r.args(inGroup("suite"), func(a *abi.KafkaOpen) {
			a.Start, a.Compression, a.OpenTimeoutMS = startEarliest, "snappy", 9
		})},
		Others: []hostfnstest.Message{
			r.args(), r.args(inGroup("other")), r.args(inGroup("suite"), func(a *abi.KafkaOpen) { a.Start = startLatest }),
			r.args(func(a *abi.KafkaOpen) { a.Topic = "other" }),
		},
		Calls: []hostfnstest.Call{
			{Function: "produce", Request: handle(abi.KafkaProduce{})},
			{Function: "open", Request: r.args(func(a *abi.KafkaOpen) { a.Topic = "no topic" })},
			{Function: "open", Request: r.args(func(a *abi.KafkaOpen) { a.Brokers[0] = "127.0.0.2:9092" })},
			{Function: "open", Request: lines, Reply: &abi.Handle{}},
			{Function: "produce", Request: handle(abi.KafkaProduce{}), Reply: &abi.KafkaProduced{}},
			{Function: "produce", Request: handle(abi.KafkaProduce{Records: []abi.KafkaRecord{{Partition: 2, Pinned: true, Value: []byte("on")}, {Partition: 2, Pinned: true, Value: []byte("off")}}}), Reply: &abi.KafkaProduced{}},
			{Function: "produce", Request: handle(abi.KafkaProduce{ID: strings.Repeat("x", 257)})},
			{Function: "ensure", Request: &abi.KafkaEnsure{Handle: 1, Partitions: 9}, Reply: &abi.KafkaEnsured{}},
			{Function: "topic", Request: &abi.KafkaEnsure{Handle: 1}, Reply: &abi.KafkaEnsured{}},
			{Function: "open", Request: r.args(func(a *abi.KafkaOpen) { a.Topic = "fresh" }), Reply: &abi.Handle{}},
			{Function: "topic", Request: &abi.KafkaEnsure{Handle: 2}},
			{Function: "ensure", Request: &abi.KafkaEnsure{Handle: 2, Partitions: 9, Configs: []abi.Header{{Name: "cleanup.policy", Value: []byte("compact")}}}, Reply: &abi.KafkaEnsured{}},
			{Function: "ensure", Request: &abi.KafkaEnsure{Handle: 3}},
			{Function: "delete", Request: &abi.KafkaDelete{Handle: 2, Topic: "lines"}},
			{Function: "delete", Request: &abi.KafkaDelete{Handle: 2, Topic: "fresh"}, Reply: &abi.KafkaDeleted{}},
			{Function: "delete", Request: &abi.KafkaDelete{Handle: 2, Topic: "fresh"}, Reply: &abi.KafkaDeleted{}},
		},
		Log: strings.ReplaceAll(`
==> kafka.produce(handle=1)
<== error=not_found
==> kafka.open(brokers=[BROKER],topic="no topic",openTimeoutMS=3000)
<== error=invalid
==> kafka.open(brokers=[127.0.0.2:9092],topic="readings",openTimeoutMS=3000)
<== error=denied
==> kafka.open(brokers=[BROKER],topic="lines",openTimeoutMS=3000)
<== handle=1
==> kafka.produce(handle=1)
<== zero
==> kafka.produce(handle=1,records=[{ 2 0 0 [] [111 110] [] true   0} { 2 0 0 [] [111 102 102] [] true   0}])
<== results=[{2 0   false} {2 1   false}]
==> kafka.produce(handle=1,iD="xxxxxxxxxxxxxxxx... 257 bytes")
<== error=invalid
==> kafka.ensure(handle=1,partitions=9)
<== partitions=3
==> kafka.topic(handle=1)
<== partitions=3
==> kafka.open(brokers=[BROKER],topic="fresh",openTimeoutMS=3000)
<== handle=2
==> kafka.topic(handle=2)
<== error=not_found
==> kafka.ensure(handle=2,partitions=9,configs=[{cleanup.policy [99 111 109 112 97 99 116]}])
<== created=true,partitions=9
==> kafka.ensure(handle=3)
<== error=not_found
==> kafka.delete(handle=2,topic="lines")
<== error=invalid
==> kafka.delete(handle=2,topic="fresh")
<== deleted=true
==> kafka.delete(handle=2,topic="fresh")
<== zero
`, "BROKER", r.address()),
		Emit: func(t *testing.T, n int) {
			t.Helper()
			for range n {
				r.send(0, "422498")
			}
		},
	})
}
