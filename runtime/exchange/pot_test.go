package exchange_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestTablesShareAPot: what all connectors of a tenant hold is bounded together,
// one that waits for room gets it when another table is rid of something, and
// nothing is left when all is over.
func TestTablesShareAPot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const big, most = 1000 << 10, 33 // of them fit into the pot
		pot := exchange.NewPot()
		var tables [4]*exchange.Table
		for i := range tables {
			tables[i] = exchange.NewTable(exchange.Config{Pot: pot})
		}
		post := func(table *exchange.Table, body int) (*exchange.Question, error) {
			return table.Ask(&abi.Message{Type: abi.MessageQuery, Body: make([]byte, body)}, time.Now().Add(time.Minute))
		}
		var open []*exchange.Question
		for len(open) < most {
			q, err := post(tables[len(open)%3], big)
			if err != nil {
				break
			}
			open = append(open, q)
		}
		if n := len(open); n < most-1 {
			t.Fatalf("%d messages fit", n)
		}
		if _, err := post(tables[3], big); !fault.Is(err, fault.Exhausted) {
			t.Errorf("one more of a table that holds nothing: %v", err)
		}
		open[0].Close()
		if q, err := post(tables[3], big); err != nil {
			t.Errorf("when there is room: %v", err)
		} else {
			q.Close()
		}
		for _, q := range open {
			q.Close()
		}
		if held := pot.Held(); held != 0 {
			t.Fatalf("%d bytes of no message are held", held)
		}

		// Replies.
		var questions []*exchange.Question
		reply := func(table *exchange.Table) (*exchange.Question, error) {
			q, err := post(table, 0)
			if err != nil {
				t.Fatal(err)
			}
			questions = append(questions, q)
			r := abi.Reply{Correlation: q.ID(), Status: abi.ReplyPartial, Body: append(make([]byte, 0, big), '{')}
			for len(r.Body) < big {
				r.Body = append(r.Body, ' ')
			}
			r.Body = append(r.Body, '}')
			return q, table.Answer(t.Context(), &r)
		}
		n := 0
		for ; n < most; n++ {
			if _, err := reply(tables[n%3]); err != nil {
				break
			}
		}
		if n < most-2 {
			t.Fatalf("%d replies fit", n)
		}
		if _, err := reply(tables[3]); !fault.Is(err, fault.SlowReader) {
			t.Errorf("one more of a table that holds nothing: %v", err)
		}
		time.AfterFunc(time.Second, func() { _, _ = questions[0].Next(t.Context()) })
		began := time.Now()
		if _, err := reply(tables[3]); err != nil || time.Since(began) != time.Second {
			t.Errorf("when another table's reader has read, after %v: %v", time.Since(began), err)
		}
		for i, q := range questions {
			if i%2 == 0 {
				q.Fail(fault.New(fault.Guest, "over"))
			}
			q.Close()
		}
		if held := pot.Held(); held != 0 {
			t.Errorf("%d bytes of nothing are held", held)
		}
	})
}
