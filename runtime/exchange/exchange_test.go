package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
)

func ask(t *testing.T, table *exchange.Table, m abi.Message) (*exchange.Question, string) {
	t.Helper()
	q, err := table.Ask(&m, time.Now().Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return q, m.Correlation
}

func query(t *testing.T, table *exchange.Table) (*exchange.Question, string) {
	t.Helper()
	return ask(t, table, abi.Message{Type: abi.MessageQuery})
}

func next(t *testing.T, q *exchange.Question) abi.Reply {
	t.Helper()
	r, err := q.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ends(t *testing.T, q *exchange.Question) {
	t.Helper()
	if r, err := q.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatalf("%+v, %v behind the last reply", r, err)
	}
}

func answer(t *testing.T, table *exchange.Table, r abi.Reply) {
	t.Helper()
	if err := table.Answer(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, table *exchange.Table, r abi.Reply, want fault.Kind) {
	t.Helper()
	if err := table.Answer(t.Context(), &r); !fault.Is(err, want) {
		t.Fatalf("%+v: %v, want %s", r, err, want)
	}
}

// TestPartialRepliesThenTheLast: replies come in their order, with the codes of
// their statuses or their own, and behind the last one is the end.
func TestPartialRepliesThenTheLast(t *testing.T) {
	table := exchange.NewTable(exchange.Config{})
	q, c := query(t, table)
	if len(c) < 20 || c != q.ID() || !q.Replies() {
		t.Fatalf("correlation %q", c)
	}
	body := []byte(`{"n":1}`)
	answer(t, table, abi.Reply{Correlation: c, Status: abi.ReplyPartial, Body: body, Metadata: []byte("m")})
	body[5] = '9' // the guest's memory goes on without the reply
	answer(t, table, abi.Reply{Correlation: c, Status: abi.ReplyPartial, Body: []byte(` [{"n":2}, {}]`), Code: 299})
	answer(t, table, abi.Reply{Correlation: c, Body: []byte(`{}`)})
	for _, want := range []struct {
		code uint32
		body string
	}{{206, `{"n":1}`}, {299, ` [{"n":2}, {}]`}, {200, "{}"}} {
		if r := next(t, q); r.Code != want.code || string(r.Body) != want.body {
			t.Errorf("code %d, body %s, want %+v", r.Code, r.Body, want)
		}
	}
	ends(t, q)
	refused(t, table, abi.Reply{Correlation: c, Body: []byte(`{}`)}, fault.ReplyEnded)
	if n := table.Counters(); n.Open != 0 || n.Partial != 2 || n.Answered != 1 || n.Ended != 1 {
		t.Errorf("%+v", n)
	}
}

// TestRepliesThatAreRefused is every misuse of a reply, with its counter and
// its line.
func TestRepliesThatAreRefused(t *testing.T) {
	var lines []string
	table := exchange.NewTable(exchange.Config{Note: func(s string) { lines = append(lines, s) }})
	_, q := query(t, table)
	_, rpc := ask(t, table, abi.Message{Type: abi.MessageRPC})
	publish, none := ask(t, table, abi.Message{Type: abi.MessagePublish})
	if none != "" {
		t.Errorf("a publish got the correlation %q", none)
	}
	object := []byte(`{}`)
	bad := &abi.Error{Code: "x"}
	for _, tt := range []struct {
		name  string
		reply abi.Reply
		want  fault.Kind
	}{
		{"without a question", abi.Reply{Correlation: "made-up", Body: object}, fault.NotAQuery},
		{"without a correlation", abi.Reply{Body: object}, fault.NotAQuery},
		{"to a publish", abi.Reply{Correlation: publish.ID(), Body: object}, fault.NotAQuery},
		{"empty with a body", abi.Reply{Correlation: q, Status: abi.ReplyEmpty, Body: object}, fault.MessageInvalid},
		{"complete without a body", abi.Reply{Correlation: q}, fault.MessageInvalid},
		{"a number", abi.Reply{Correlation: q, Body: []byte("1")}, fault.MessageInvalid},
		{"a list of numbers", abi.Reply{Correlation: q, Status: abi.ReplyPartial, Body: []byte("[{},1]")}, fault.MessageInvalid},
		{"broken JSON", abi.Reply{Correlation: q, ContentType: "application/json", Body: []byte("{")}, fault.MessageInvalid},
		{"an error without anything", abi.Reply{Correlation: q, Status: abi.ReplyError}, fault.MessageInvalid},
		{"an error without a template", abi.Reply{Correlation: rpc, Status: abi.ReplyError, Err: bad}, fault.MessageInvalid},
		{"an unknown status", abi.Reply{Correlation: q, Status: 9}, fault.MessageInvalid},
		{"a code of no HTTP", abi.Reply{Correlation: q, Body: object, Code: 1000}, fault.MessageInvalid},
		{"too large", abi.Reply{Correlation: rpc, Body: make([]byte, abi.MaxBatch)}, fault.TooLarge},
	} {
		if err := table.Check(&tt.reply); !fault.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	if err := table.Check(&abi.Reply{Correlation: rpc, Status: abi.ReplyError, Err: bad}); err == nil || !strings.Contains(err.Error(), "lacks template") {
		t.Errorf("%v does not name what is missing", err)
	}
	if n := table.Counters(); n.Unasked != 3 || n.Malformed != 11 {
		t.Errorf("%+v", n)
	}
	if len(lines) == 0 || len(lines) > 5 || !strings.Contains(lines[0], "not_a_query") {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	for _, ok := range []abi.Reply{
		{Correlation: q, ContentType: "text/csv", Body: []byte("1,2")},
		{Correlation: q, Status: abi.ReplyEmpty},
		{Correlation: rpc, Body: []byte("1")},
		{Correlation: rpc},
		{Correlation: rpc, Status: abi.ReplyError, Err: &abi.Error{Code: "x", Template: "{0} of {1}", Parameters: []string{"a"}}},
	} {
		if err := table.Check(&ok); err != nil {
			t.Errorf("%+v: %v", ok, err)
		}
	}
}

// TestDeadline: a question that nobody answers ends once, by a reply that says
// so; what comes later is late.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := exchange.NewTable(exchange.Config{})
		q, c := query(t, table)
		p, _ := ask(t, table, abi.Message{Type: abi.MessagePublish, Body: []byte("x")})
		began := time.Now()
		r := next(t, q)
		if r.Status != abi.ReplyError || r.Code != 504 || r.Err.Code != "timeout" || time.Since(began) != 10*time.Second {
			t.Errorf("%+v after %s", r, time.Since(began))
		}
		ends(t, q)
		if r := next(t, p); r.Code != 504 {
			t.Errorf("the publish: %+v", r)
		}
		<-q.Done()
		if q.Take() != nil {
			t.Error("the message is held behind the end")
		}
		refused(t, table, abi.Reply{Correlation: c, Body: []byte(`{}`)}, fault.LateReply)
		if n := table.Counters(); n.TimedOut != 2 || n.Late != 1 || n.Open != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestMessagesWithoutAReply(t *testing.T) {
	table := exchange.NewTable(exchange.Config{})
	q, c := ask(t, table, abi.Message{Type: abi.MessageRPC, Correlation: exchange.NoReply, Method: "m"})
	if c != "" || q.Replies() || q.Take().Method != "m" {
		t.Errorf("correlation %q", c)
	}
	q.Handled()
	q.Handled()
	if r := next(t, q); r.Status != abi.ReplyEmpty || r.Code != 204 {
		t.Errorf("%+v", r)
	}
	ends(t, q)
	two, _ := ask(t, table, abi.Message{Type: abi.MessageRPC})
	two.Handled()
	if two.Take() == nil {
		t.Error("a question that was handled does not wait for its reply")
	}
	two.Fail(fault.New(fault.GuestTrap, "it crashed"))
	if r := next(t, two); r.Code != 502 || r.Err.Code != "guest_trap" || r.Err.Template != "it crashed" {
		t.Errorf("%+v %+v", r, r.Err)
	}
	ends(t, two)
	if n := table.Counters(); n.Delivered != 1 || n.Failed != 1 {
		t.Errorf("%+v", n)
	}
}

// TestSlowReader: what waits for a reader is bounded by its credit. The answerer
// waits for it, and ends the question when it does not come.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := exchange.NewTable(exchange.Config{})
		q, c := query(t, table)
		part := abi.Reply{Correlation: c, Status: abi.ReplyPartial, ContentType: "text/plain", Body: make([]byte, 30<<10)}
		answer(t, table, part)
		answer(t, table, part)
		began := time.Now()
		read := make(chan abi.Reply)
		go func() {
			time.Sleep(time.Second) //nolint:forbidigo // time of the bubble
			read <- next(t, q)
		}()
		answered := make(chan error)
		go func() { answered <- table.Answer(t.Context(), &part) }()
		<-read
		if err := <-answered; err != nil || time.Since(began) != time.Second {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
		refused(t, table, part, fault.SlowReader)
		if took := time.Since(began); took != time.Second+exchange.DefaultPatience {
			t.Errorf("waited %s", took)
		}
		refused(t, table, part, fault.LateReply)
		next(t, q)
		next(t, q)
		if r := next(t, q); r.Status != abi.ReplyError || r.Err.Code != "slow_reader" {
			t.Errorf("%+v", r)
		}
		ends(t, q)
		if n := table.Counters(); n.Slow != 1 || n.Late != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// TestOneLargeReply goes through although it is beyond the credit, because
// nothing else waits.
func TestOneLargeReply(t *testing.T) {
	table := exchange.NewTable(exchange.Config{})
	q, c := query(t, table)
	big := abi.Reply{Correlation: c, ContentType: "text/plain", Body: bytes.Repeat([]byte("x"), 512<<10)}
	answer(t, table, big)
	if r := next(t, q); len(r.Body) != len(big.Body) {
		t.Errorf("%d bytes", len(r.Body))
	}
}

// TestClosedQuestion: the asker has gone, so nothing is kept and what comes is
// late, also for who is waiting to answer.
func TestClosedQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := exchange.NewTable(exchange.Config{})
		q, c := query(t, table)
		part := abi.Reply{Correlation: c, Status: abi.ReplyPartial, ContentType: "text/plain", Body: make([]byte, 60<<10)}
		answer(t, table, part)
		answered := make(chan error)
		go func() { answered <- table.Answer(t.Context(), &part) }()
		synctest.Wait()
		q.Close()
		q.Close()
		if err := <-answered; !fault.Is(err, fault.LateReply) {
			t.Errorf("%v", err)
		}
		ends(t, q)
		if q.Take() != nil {
			t.Error("a message that was not handed over is not withdrawn")
		}
		if n := table.Counters(); n.GivenUp != 1 || n.Open != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestBounds(t *testing.T) {
	table := exchange.NewTable(exchange.Config{Open: 2})
	q, _ := query(t, table)
	query(t, table)
	if _, err := table.Ask(&abi.Message{Type: abi.MessagePublish}, time.Now().Add(time.Second)); !fault.Is(err, fault.Exhausted) {
		t.Errorf("a third question: %v", err)
	}
	q.Close()
	ask(t, table, abi.Message{})
	big := exchange.NewTable(exchange.Config{})
	if _, err := big.Ask(&abi.Message{Body: make([]byte, abi.MaxBatch)}, time.Now().Add(time.Second)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a message too large: %v", err)
	}
	n := 0
	for ; n < 100; n++ {
		if _, err := big.Ask(&abi.Message{Body: make([]byte, abi.MaxBatch/2)}, time.Now().Add(time.Minute)); err != nil {
			break
		}
	}
	if n < 16 || n > 33 {
		t.Errorf("%d messages of half a mebibyte wait", n)
	}
	big.FailAll(fault.New(fault.WrongState, "stopped"))
	if c := big.Counters(); c.Open != 0 || c.Failed != uint64(n) {
		t.Errorf("%+v", c)
	}
	if _, err := big.Ask(&abi.Message{Body: make([]byte, abi.MaxBatch/2)}, time.Now().Add(time.Second)); err != nil {
		t.Error(err)
	}
	table.FailAll(errors.New("x"))
	big.FailAll(errors.New("x"))
}

func TestSecretsAreMasked(t *testing.T) {
	table := exchange.NewTable(exchange.Config{Mask: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("s3cret"), []byte("***")) }})
	q, c := query(t, table)
	answer(t, table, abi.Reply{Correlation: c, Status: abi.ReplyPartial, Body: []byte(`{"a":"s3cret"}`), Metadata: []byte("s3cret")})
	answer(t, table, abi.Reply{Correlation: c, Status: abi.ReplyError, Err: &abi.Error{Code: "x", Template: "{0} s3cret", Parameters: []string{"s3cret"}}})
	if r := next(t, q); string(r.Body) != `{"a":"***"}` || string(r.Metadata) != "***" {
		t.Errorf("%s %s", r.Body, r.Metadata)
	}
	if e := next(t, q).Err; e.Template != "{0} ***" || e.Parameters[0] != "***" {
		t.Errorf("%+v", e)
	}
}

// TestUnreadAnswersAreTheAskersOwn: what ended and was never read takes nothing
// from other questions.
func TestUnreadAnswersAreTheAskersOwn(t *testing.T) {
	table := exchange.NewTable(exchange.Config{Patience: time.Millisecond})
	for range 100 { // 50 MiB
		_, c := ask(t, table, abi.Message{Type: abi.MessageRPC})
		answer(t, table, abi.Reply{Correlation: c, Status: abi.ReplyPartial, Body: make([]byte, 512<<10)})
		if err := table.Answer(t.Context(), &abi.Reply{Correlation: c, Body: []byte("1")}); err != nil && !fault.Is(err, fault.SlowReader) {
			t.Fatal(err)
		}
	}
	_, c := query(t, table)
	answer(t, table, abi.Reply{Correlation: c, Body: []byte("{}")})
}

// TestAllThatWaitsIsBounded: many readers that are behind hold up who answers,
// however little each of them holds.
func TestAllThatWaitsIsBounded(t *testing.T) {
	table := exchange.NewTable(exchange.Config{Patience: time.Millisecond})
	slow := 0
	for range 1024 {
		_, c := ask(t, table, abi.Message{Type: abi.MessageRPC})
		if err := table.Answer(t.Context(), &abi.Reply{Correlation: c, Status: abi.ReplyPartial, Body: make([]byte, 60<<10)}); fault.Is(err, fault.SlowReader) {
			slow++
		}
	}
	if slow < 1024-16<<20/(60<<10)-1 {
		t.Errorf("%d readers were too slow", slow)
	}
	table.FailAll(errors.New("the test is over"))
}

// TestHammerExactlyOnce: many ask, answer late or never, and give up at once.
// Every question that its asker reads ends by one last reply.
func TestHammerExactlyOnce(t *testing.T) {
	table := exchange.NewTable(exchange.Config{Open: 64})
	asked := make(chan string, 64)
	var answerers, askers sync.WaitGroup
	for range 4 {
		answerers.Go(func() {
			for c := range asked {
				for range 2 { // the second one is refused
					_ = table.Answer(context.Background(), &abi.Reply{Correlation: c, Body: []byte("{}")})
				}
			}
		})
	}
	for i := range 16 {
		askers.Go(func() {
			for j := range 200 {
				m := abi.Message{Type: abi.MessageRPC}
				q, err := table.Ask(&m, time.Now().Add(time.Duration(j%3)*time.Millisecond))
				if err != nil {
					t.Error(err)
					return
				}
				if (i+j)%4 != 0 {
					asked <- m.Correlation
				}
				last := 0
				for {
					_, err := q.Next(t.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					last++
				}
				if last != 1 {
					t.Errorf("%d last replies", last)
				}
			}
		})
	}
	askers.Wait()
	close(asked)
	answerers.Wait()
	if n := table.Counters(); n.Open != 0 || n.Answered+n.TimedOut != 16*200 {
		t.Errorf("%+v", n)
	}
}

// BenchmarkAsk is one question with its answer, beside 512 that wait.
func BenchmarkAsk(b *testing.B) {
	table := exchange.NewTable(exchange.Config{})
	for range 512 {
		if _, err := table.Ask(&abi.Message{Type: abi.MessageQuery}, time.Now().Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	defer table.FailAll(errors.New("the benchmark is over"))
	body := []byte(`{"temperature":21.5}`)
	b.ReportAllocs()
	for b.Loop() {
		m := abi.Message{Type: abi.MessageQuery}
		q, err := table.Ask(&m, time.Now().Add(time.Minute))
		if err != nil {
			b.Fatal(err)
		}
		if err := table.Answer(b.Context(), &abi.Reply{Correlation: m.Correlation, Body: body}); err != nil {
			b.Fatal(err)
		}
		if _, err := q.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
