package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// apache is Apache Kafka and what a connector says to it.
type apache struct {
	*peertest.Kafka
	t *testing.T
}

func (a *apache) args(topic string, change ...func(*abi.KafkaOpen)) *abi.KafkaOpen {
	args := &abi.KafkaOpen{Brokers: []string{a.Address}, Topic: topic, OpenTimeoutMS: 5000}
	for _, f := range change {
		f(args)
	}
	return args
}

// scope grants the broker by all its addresses.
func (a *apache) scope() capability.Scope {
	return capability.Scope{
		Owner: "con_1", Secrets: secrets{"kafka": peertest.KafkaPassword, "wrong": "another-password"},
		Grants: []spec.Grant{{Group: Name, Resources: []string{"kafka://127.0.0.1:*/*", "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Read, spec.Write}}},
	}
}

func (a *apache) opened(t *testing.T, args *abi.KafkaOpen) capability.Session {
	t.Helper()
	end, err := group().Open(t.Context(), a.scope(), args.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSession(t, end) })
	return end
}

func condition(end capability.Session) capability.Condition {
	return end.(capability.Reporter).Condition()
}

func loggedIn(mechanism, user, secret string) func(*abi.KafkaOpen) {
	return func(a *abi.KafkaOpen) {
		a.Mechanism, a.Username, a.Password, a.AllowInsecure = mechanism, user, abi.SecretPrefix+secret, true
	}
}

// TestApacheKafka holds the group against Apache Kafka itself, and what it wrote
// and reads against a client of another make.
func TestApacheKafka(t *testing.T) {
	a := &apache{Kafka: peertest.StartKafka(t), t: t}
	for _, sub := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"BothWaysWithKcat", a.bothWays},
		{"TooLarge", a.tooLarge},
		{"TopicsThatAreNotThere", a.topics},
		{"Ensure", a.ensures},
		{"Logins", a.logins},
		{"RightsTakenAndGiven", a.rights},
		{"AdvertisedAddress", a.advertised},
		{"Frozen", a.frozen},
		{"KilledAndStarted", a.restarted},
	} {
		t.Run(sub.name, sub.run)
	}
}

func (a *apache) bothWays(t *testing.T) {
	t.Helper()
	a.MakeTopic("both", 1)
	end := a.opened(t, a.args("both"))
	first := keyed("pump1", "4.2")
	first.Headers = []abi.Header{{Name: "unit", Value: []byte("bar")}}
	if results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{first, keyed("pump2", "4.3")}}); err != nil || results[0].Code != "" || results[1].Offset != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	if got := a.Kcat("", "-C", "-t", "both", "-e", "-f", `%o %k=%s %h\n`); got != "0 pump1=4.2 unit=bar\n1 pump2=4.3 \n" {
		t.Errorf("kcat reads %q", got)
	}

	source := a.opened(t, a.args("both", inGroup("line")))
	source.(capability.Source).Ack(len(taken(t, source, 2)))
	eventually(t, "two are committed", func() bool { return a.Committed("line", "both")[0] == 2 })
	a.Kcat("pump3:5\npump4:6\n", "-P", "-t", "both", "-K:", "-H", "by=kcat", "-z", "snappy")
	got := taken(t, source, 2)
	m := record(t, got[0])
	if told(t, got) != "5 6" || string(m.Key) != "pump3" || len(m.Headers) != 1 || m.Headers[0].Name != "by" || m.Offset != 2 || time.Since(time.Unix(0, m.Time)) > time.Minute {
		t.Errorf("from kcat: %s, %+v", told(t, got), m)
	}
	if at := a.Committed("line", "both")[0]; at != 2 {
		t.Errorf("%d is committed before it is acknowledged", at)
	}
	if c := condition(source).Counts; c["read"] != 4 || c["acknowledged"] != 2 || c["behind"] != 0 || condition(end).Counts["produced"] != 2 {
		t.Errorf("%v, %v", c, condition(end).Counts)
	}
	source.(capability.Source).Ack(1)
	eventually(t, "the third is committed", func() bool { return a.Committed("line", "both")[0] == 3 })
}

func (a *apache) tooLarge(t *testing.T) {
	t.Helper()
	a.MakeTopic("small", 1, "max.message.bytes", "1000")
	end := a.opened(t, a.args("small", func(o *abi.KafkaOpen) { o.Compression = "none" }))
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("a", strings.Repeat("x", 5000))}})
	if err != nil || results[0].Code != "MESSAGE_TOO_LARGE" || results[0].Retry {
		t.Errorf("%+v, %v", results, err)
	}
	// Together they are too much, and each is not: the broker cannot be asked for
	// more than it takes.
	var many []abi.KafkaRecord
	for i := range 10 {
		many = append(many, keyed("a", fmt.Sprintf("%d%s", i, strings.Repeat("x", 300))))
	}
	if results, err = produce(t.Context(), end, abi.KafkaProduce{Records: many}); err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Code != "" && (r.Code != "MESSAGE_TOO_LARGE" || r.Retry) {
			t.Errorf("record %d: %+v", i, r)
		}
	}
}

func (a *apache) topics(t *testing.T) {
	t.Helper()
	never := a.opened(t, a.args("never"))
	if c := condition(never); c.Up || !strings.Contains(c.Reason, "no such topic") {
		t.Errorf("%+v", c)
	}
	if results, err := produce(t.Context(), never, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("a", "1")}}); err != nil || results[0].Code != "UNKNOWN_TOPIC_OR_PARTITION" || !results[0].Retry {
		t.Errorf("%+v, %v", results, err)
	}

	a.MakeTopic("passing", 1)
	end, source := a.opened(t, a.args("passing")), a.opened(t, a.args("passing", inGroup("passing")))
	send := func(value string) (abi.KafkaResult, error) {
		results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("a", value)}})
		if err != nil {
			return abi.KafkaResult{}, err
		}
		return results[0], nil
	}
	if r, err := send("1"); err != nil || r.Code != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	source.(capability.Source).Ack(len(taken(t, source, 1)))
	a.DeleteTopic("passing")
	for _, s := range []capability.Session{end, source} {
		eventually(t, "the session notices that the topic is gone", func() bool { c := condition(s); return !c.Up && strings.Contains(c.Reason, "no such topic") })
	}
	if r, err := send("2"); err == nil && r.Code == "" || err == nil && !r.Retry {
		t.Errorf("to a topic that is gone: %+v, %v", r, err)
	}
	a.MakeTopic("passing", 1)
	for _, s := range []capability.Session{end, source} {
		eventually(t, "the session is up with the topic that was made anew", func() bool { return condition(s).Up })
	}
	eventually(t, "it is written again", func() bool { r, err := send("3"); return err == nil && r.Code == "" })
	var got []capability.Event
	eventually(t, "it is read again", func() bool {
		got = source.(capability.Source).Take(got, 10, 1<<20)
		return slices.ContainsFunc(got, func(e capability.Event) bool { return e.Type == abi.EventData && string(record(t, e).Value) == "3" })
	})
}

func (a *apache) ensures(t *testing.T) {
	t.Helper()
	end := a.opened(t, a.args("wanted"))
	ensure := func(q abi.KafkaEnsure) (reply abi.KafkaEnsured, err error) {
		out, err := end.Call(t.Context(), functionEnsure, q.Append(nil), nil)
		if err == nil {
			err = reply.Decode(out)
		}
		return reply, err
	}
	if _, err := ensure(abi.KafkaEnsure{Replication: 3}); err == nil || !strings.Contains(err.Error(), "INVALID_REPLICATION_FACTOR") {
		t.Errorf("three replicas on one broker: %v", err)
	}
	q := abi.KafkaEnsure{Partitions: 2, Configs: []abi.Header{{Name: "cleanup.policy", Value: []byte("compact")}}}
	if r, err := ensure(q); err != nil || !r.Created || r.Partitions != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := ensure(q); err != nil || r.Created || r.Partitions != 2 {
		t.Errorf("again: %+v, %v", r, err)
	}
	if !slices.Contains(a.Topics(), "wanted") {
		t.Error("there is no topic")
	}
}

func (a *apache) logins(t *testing.T) {
	t.Helper()
	a.MakeTopic("login", 1)
	for _, tt := range []struct{ mechanism, user string }{
		{plainText, peertest.KafkaUser}, {scramSHA256, peertest.KafkaScramUser}, {scramSHA512, peertest.KafkaScramUser},
	} {
		to := func(secret string) *abi.KafkaOpen {
			return a.args("login", loggedIn(tt.mechanism, tt.user, secret), func(o *abi.KafkaOpen) { o.Brokers = []string{a.SASL}; o.OpenTimeoutMS = 2000 })
		}
		a.Allow(tt.user, kmsg.ACLResourceTypeTopic, "login", kmsg.ACLOperationWrite)
		eventually(t, "the right is known", func() bool {
			end, err := group().Open(t.Context(), a.scope(), to("kafka").Append(nil))
			if err == nil {
				closeSession(t, end)
			}
			return err == nil
		})
		end := a.opened(t, to("kafka"))
		if results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("k", "v")}}); err != nil || results[0].Code != "" {
			t.Errorf("%s: %+v, %v", tt.mechanism, results, err)
		}
		began := time.Now()
		_, err := group().Open(t.Context(), a.scope(), to("wrong").Append(nil))
		if err == nil || !strings.Contains(fault.Of(err).Advice(), "password") || strings.Contains(err.Error(), "another-password") || time.Since(began) > 10*time.Second {
			t.Errorf("%s with a wrong password, after %v: %v", tt.mechanism, time.Since(began), err)
		}
		a.Disallow(tt.user)
	}
	_, err := group().Open(t.Context(), a.scope(), a.args("login", func(o *abi.KafkaOpen) { o.Brokers = []string{a.SASL}; o.OpenTimeoutMS = 1000 }).Append(nil))
	if err == nil || !strings.Contains(fault.Of(err).Advice(), "login") && !strings.Contains(fault.Of(err).Advice(), "password") {
		t.Errorf("without a login: %v", err)
	}
}

func (a *apache) rights(t *testing.T) {
	t.Helper()
	a.MakeTopic("guarded", 1)
	as := func(o *abi.KafkaOpen) {
		o.Brokers = []string{a.SASL}
		loggedIn(plainText, peertest.KafkaUser, "kafka")(o)
	}
	_, err := group().Open(t.Context(), a.scope(), a.args("guarded", as).Append(nil))
	if !fault.Is(err, fault.ConfigInvalid) || !strings.Contains(err.Error(), "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("without a right: %v", err)
	}
	give := func() {
		a.Allow(peertest.KafkaUser, kmsg.ACLResourceTypeTopic, "guarded", kmsg.ACLOperationWrite)
		a.Allow(peertest.KafkaUser, kmsg.ACLResourceTypeTopic, "guarded", kmsg.ACLOperationRead)
		a.Allow(peertest.KafkaUser, kmsg.ACLResourceTypeGroup, "guards", kmsg.ACLOperationRead)
	}
	give()
	eventually(t, "the rights are known", func() bool {
		end, err := group().Open(t.Context(), a.scope(), a.args("guarded", as).Append(nil))
		if err == nil {
			closeSession(t, end)
		}
		return err == nil
	})
	end, source := a.opened(t, a.args("guarded", as)), a.opened(t, a.args("guarded", as, inGroup("guards")))
	send := func(value string) abi.KafkaResult {
		results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("a", value)}})
		if err != nil {
			t.Fatal(err)
		}
		return results[0]
	}
	eventually(t, "it may write", func() bool { return send("1").Code == "" })
	source.(capability.Source).Ack(len(taken(t, source, 1)))
	a.Disallow(peertest.KafkaUser)
	eventually(t, "it may not write", func() bool { return send("2").Code == "TOPIC_AUTHORIZATION_FAILED" })
	if send("2").Retry {
		t.Error("what is not allowed is to be tried again")
	}
	for _, s := range []capability.Session{end, source} {
		eventually(t, "it shows", func() bool { c := condition(s); return !c.Up && strings.Contains(c.Reason, "AUTHORIZATION_FAILED") })
	}
	give()
	for _, s := range []capability.Session{end, source} {
		eventually(t, "it is up again", func() bool { return condition(s).Up })
	}
	eventually(t, "it may write again", func() bool { return send("3").Code == "" })
	var got []capability.Event
	eventually(t, "it reads again", func() bool {
		got = source.(capability.Source).Take(got, 10, 1<<20)
		return slices.ContainsFunc(got, func(e capability.Event) bool { return e.Type == abi.EventData && string(record(t, e).Value) == "3" })
	})
}

// A broker that says that it is at the address of a cloud's secrets leads nobody
// there (abuse case 41).
func (a *apache) advertised(t *testing.T) {
	t.Helper()
	a.MakeTopic("astray", 1)
	to := a.args("astray", func(o *abi.KafkaOpen) { o.Brokers = []string{a.Astray}; o.OpenTimeoutMS = 2000 })
	for _, resources := range [][]string{{"kafka://127.0.0.1:*/*", "cidr:127.0.0.0/8"}, {"kafka://*:*/*", "cidr:127.0.0.0/8"}} {
		scope := a.scope()
		scope.Grants[0].Resources = resources
		var err error
		eventually(t, "the topic has a leader", func() bool { // before that there is no other broker to go to
			var end capability.Session
			if end, err = group().Open(t.Context(), scope, to.Append(nil)); err == nil {
				closeSession(t, end)
			}
			return err != nil
		})
		if !fault.Is(err, fault.EgressForbidden) || !strings.Contains(err.Error(), peertest.KafkaAstrayTo) {
			t.Errorf("with the grants %v: %v", resources, err)
		}
	}
}

// A broker that is there and answers nobody is noticed, and goes on without a
// loss.
func (a *apache) frozen(t *testing.T) {
	t.Helper()
	a.MakeTopic("frozen", 1)
	end := a.opened(t, a.args("frozen"))
	a.Freeze()
	defer a.Thaw()
	began := time.Now()
	q := abi.KafkaProduce{ID: "1", TimeoutMS: 50, Records: []abi.KafkaRecord{keyed("a", "1")}}
	if _, err := produce(t.Context(), end, q); !fault.Is(err, fault.Timeout) {
		t.Errorf("%v", err)
	}
	eventually(t, "it is noticed", func() bool { return !condition(end).Up })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("noticed after %v", took)
	}
	a.Thaw()
	q.TimeoutMS = uint64(patience.Milliseconds())
	if results, err := produce(t.Context(), end, q); err != nil || results[0].Code != "" || results[0].Offset != 0 {
		t.Errorf("%+v, %v", results, err)
	}
	eventually(t, "it is up", func() bool { return condition(end).Up })
}

// A broker that is killed in the middle loses nothing, and keeps the order.
func (a *apache) restarted(t *testing.T) {
	t.Helper()
	a.MakeTopic("lasting", 3)
	end, source := a.opened(t, a.args("lasting")), a.opened(t, a.args("lasting", inGroup("lasting")))
	batch := func(i int, most time.Duration) abi.KafkaProduce {
		q := abi.KafkaProduce{ID: fmt.Sprint(i), TimeoutMS: uint64(most.Milliseconds())}
		for k := range 5 {
			q.Records = append(q.Records, keyed(fmt.Sprint("key", k), fmt.Sprint(i)))
		}
		return q
	}
	const batches = 40
	for i := range batches {
		if i == 10 {
			a.Kill()
		}
		most := patience
		if i >= 10 {
			most = time.Millisecond
		}
		if _, err := produce(t.Context(), end, batch(i, most)); (err == nil) != (i < 10) {
			t.Fatalf("batch %d: %v", i, err)
		}
	}
	eventually(t, "it is noticed", func() bool { return !condition(end).Up && !condition(source).Up })
	a.Start()
	began := time.Now()
	for i := 10; i < batches; i++ {
		results, err := produce(t.Context(), end, batch(i, patience))
		if err != nil || slices.ContainsFunc(results, func(r abi.KafkaResult) bool { return r.Code != "" }) {
			t.Fatalf("batch %d: %+v, %v", i, results, err)
		}
	}
	t.Logf("all is delivered %v after the broker answered", time.Since(began))
	eventually(t, "both are up", func() bool { return condition(end).Up && condition(source).Up })
	kept := a.Kcat("", "-C", "-t", "lasting", "-e", "-f", `%k %s\n`)
	next := map[string]int{}
	for line := range strings.Lines(kept) {
		var key string
		var i int
		if _, err := fmt.Sscan(line, &key, &i); err != nil || next[key] != i {
			t.Fatalf("%q, want %d", line, next[key])
		}
		next[key]++
	}
	for key, n := range next {
		if n != batches {
			t.Errorf("%s has %d records, want %d", key, n, batches)
		}
	}
	got := 0
	eventually(t, "all are read", func() bool {
		events := source.(capability.Source).Take(nil, 100, 1<<20)
		for _, e := range events {
			if e.Type == abi.EventData {
				got++
			}
		}
		source.(capability.Source).Ack(len(events))
		return got >= 5*batches
	})
	eventually(t, "all are committed", func() bool {
		sum := int64(0)
		for _, at := range a.Committed("lasting", "lasting") {
			sum += at
		}
		return sum == 5*batches
	})
}
