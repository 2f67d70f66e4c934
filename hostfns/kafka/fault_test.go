package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// named is a record with an ID.
func named(key, value string) abi.KafkaRecord {
	r := keyed(key, value)
	r.ID = "con/1/" + value
	return r
}

// ofAll grants a topic at all brokers of a cluster.
func (r *rig) ofAll() capability.Scope {
	resources := []string{"cidr:127.0.0.0/8"}
	for _, address := range r.cluster.ListenAddrs() {
		resources = append(resources, resourceOf(address, "*"))
	}
	return capability.Scope{Owner: "con_1", Grants: []spec.Grant{{Group: Name, Resources: resources, Rights: []spec.Right{spec.Read, spec.Write}}}}
}

// Leaders move from broker to broker while records are written: each
// record is there once, in its order (abuse case 40).
func TestLeadersThatMove(t *testing.T) {
	r := cluster(t, kfake.NumBrokers(3))
	open := func(args *abi.KafkaOpen) capability.Session {
		end, err := group().Open(t.Context(), r.ofAll(), args.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSession(t, end) })
		return end
	}
	end := open(r.args())
	const batches, each = 60, 5
	for i := range batches {
		if i%10 == 5 {
			for p := range int32(3) {
				if err := r.cluster.MoveTopicPartition(topic, p, rand.N(int32(3))); err != nil {
					t.Fatal(err)
				}
			}
		}
		var q abi.KafkaProduce
		for n := range each {
			q.Records = append(q.Records, named("k", fmt.Sprint(i*each+n)))
		}
		results, err := produce(t.Context(), end, q)
		if err != nil || slices.ContainsFunc(results, func(res abi.KafkaResult) bool { return res.Code != "" }) {
			t.Fatalf("batch %d: %+v, %v", i, results, err)
		}
	}
	// The fake cluster tells whoever reads meanwhile that its log was cut.
	source := open(r.args(inGroup("g")))
	for i := 0; i < batches*each; {
		e := taken(t, source, 1)[0]
		if m := record(t, e); string(m.Value) != fmt.Sprint(i) || m.Offset != uint64(i) {
			t.Fatalf("place %d holds %s at %d", i, m.Value, m.Offset)
		}
		i++
	}
}

// What brokers say in passing is tried again, and told to nobody.
func TestErrorsThatPass(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	for i, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas, kerr.RequestTimedOut} {
		r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 2})
		results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{named("k", fmt.Sprint(i))}})
		if err != nil || results[0].Code != "" || results[0].Offset != uint64(i) {
			t.Errorf("%s: %+v, %v", e.Message, results, err)
		}
	}
}

// The right to write is taken away, and what a look at the topic shows is as it
// was: the session says why it cannot write, until it can (abuse case 40).
func TestARightToWriteThatIsTakenAway(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	taken := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{named("k", "0")}})
	if err != nil || results[0].Code != "TOPIC_AUTHORIZATION_FAILED" || results[0].Retry {
		t.Fatalf("%+v, %v", results, err)
	}
	if c := condition(end); c.Up || !strings.Contains(c.Reason, "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("%+v", c)
	}
	taken.Remove()
	if results, err = produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{named("k", "0")}}); err != nil || results[0].Code != "" {
		t.Fatalf("%+v, %v", results, err)
	}
	if c := condition(end); !c.Up {
		t.Errorf("after it could write: %+v", c)
	}
}

// A record with an ID is sent once, whatever batches it is put into while it is
// under way, and those behind it stay behind it.
func TestRecordsWithIDs(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	held := make(chan struct{})
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.SleepControl(func() { <-held })
		return nil, nil, false
	})
	ask := func(most time.Duration, records ...abi.KafkaRecord) ([]abi.KafkaResult, error) {
		return produce(t.Context(), end, abi.KafkaProduce{TimeoutMS: uint64(most.Milliseconds()), Records: records})
	}
	list := make([]abi.KafkaRecord, 6)
	for i := range list {
		list[i] = named("k", fmt.Sprint(i))
	}
	for _, batch := range [][]abi.KafkaRecord{list[:3], list[:4], list[1:5], {list[0], list[0]}} {
		if _, err := ask(20*time.Millisecond, batch...); !fault.Is(err, fault.Timeout) {
			t.Fatalf("%v", err)
		}
	}
	close(held)
	results, err := ask(patience, list...)
	if err != nil {
		t.Fatal(err)
	}
	for i, res := range results {
		if res.Code != "" || res.Offset != uint64(i) {
			t.Errorf("record %d: %+v", i, res)
		}
	}
	// Whoever was told may send another of the same ID.
	if results, err = ask(patience, list[0], list[0]); err != nil || results[0] != results[1] || results[0].Offset != 6 {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestIDsThatAreTooLong(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	long := keyed("k", "v")
	long.ID = strings.Repeat("x", maxID+1)
	if _, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{long}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

// What nobody heard of is remembered within bounds.
func TestUnheardResultsAreBounded(t *testing.T) {
	f := newFlights(10, 1<<20)
	for i := range 3 * unheard {
		q := &abi.KafkaProduce{Records: []abi.KafkaRecord{named("k", fmt.Sprint(i))}}
		w, _ := f.begin(q)
		if w == nil {
			t.Fatalf("no room for record %d", i)
		}
		f.leave(w)
		f.end(w.flights[0], abi.KafkaResult{Offset: uint64(i)})
	}
	if len(f.byID) != unheard || len(f.missed) != unheard || f.records != 0 || f.bytes != 0 {
		t.Errorf("%d known, %d missed, %d records and %d bytes under way", len(f.byID), len(f.missed), f.records, f.bytes)
	}
	last := &abi.KafkaProduce{Records: []abi.KafkaRecord{named("k", fmt.Sprint(3*unheard-1))}}
	if w, send := f.begin(last); len(send) != 0 || f.heard(w)[0].Offset != 3*unheard-1 {
		t.Error("the last is not known")
	}
}

// A client's certificate is shown to brokers that want one.
func TestClientCertificate(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	certificate, key := pemOf(t, web.TLS.Certificates[0])
	r := cluster(t, kfake.TLS(&tls.Config{
		Certificates: web.TLS.Certificates, ClientCAs: pool, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12,
	}))
	scope := capability.Scope{Grants: r.grants(), Secrets: secrets{"key": key}}
	with := r.args(func(a *abi.KafkaOpen) {
		a.TLS, a.CA, a.Certificate, a.Key = true, certificate, certificate, "secret://key"
	})
	if err := r.try(with, scope); err != nil {
		t.Error(err)
	}
	without := r.args(func(a *abi.KafkaOpen) { a.TLS, a.CA, a.OpenTimeoutMS = true, certificate, 1500 })
	if err := r.try(without, scope); err == nil {
		t.Error("a broker that wants a certificate let in whoever has none")
	}
}

// Many callers produce and give up, while the broker fails now and then.
func TestHammerProduce(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	var under atomic.Int64
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		if under.Add(1)%5 == 0 {
			return nil, errors.New("the line is cut"), true
		}
		return nil, nil, false
	})
	const callers, rounds = 8, 25
	var work sync.WaitGroup
	for caller := range callers {
		work.Go(func() {
			for i := range rounds {
				q := abi.KafkaProduce{Records: []abi.KafkaRecord{keyed(fmt.Sprint(caller), fmt.Sprintf("%d/%d", caller, i))}}
				q.Records[0].ID = string(q.Records[0].Value)
				for {
					ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Millisecond)+time.Millisecond)
					results, err := produce(ctx, end, q)
					cancel()
					if err == nil && results[0].Code == "" {
						break
					}
					if err == nil || !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.Canceled) || t.Context().Err() != nil {
						t.Errorf("%+v, %v", results, err)
						return
					}
				}
			}
		})
	}
	work.Wait()
	next := map[string]int{}
	for _, line := range r.stored(callers * rounds) {
		var caller string
		_, value, _ := strings.Cut(line, "=")
		caller, value, _ = strings.Cut(value, "/")
		if value != fmt.Sprint(next[caller]) {
			t.Errorf("%s holds %s, want %d", caller, value, next[caller])
		}
		next[caller]++
	}
}

// Who only writes is told too when the cluster goes and comes back.
func TestAProducerIsTold(t *testing.T) {
	r := cluster(t, kfake.DataDir(t.TempDir()))
	port := portOf(t, r.address())
	end := r.opened(group(), r.args())
	r.cluster.Close()
	if got := taken(t, end, 1); told(t, got) != "down" || got[0].Err == nil {
		t.Errorf("got %s, %v", told(t, got), got[0].Err)
	}
	end.(capability.Source).Ack(1)
	r.up(kfake.Ports(port))
	if got := taken(t, end, 1); told(t, got) != "up" {
		t.Errorf("got %s", told(t, got))
	}
}
