// Command relay is a connector for the host's tests that calls others: it hands
// what it is asked on to the connector that the message's body names.
package main

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/connectors"
)

var _ = snaprail.Register(&relay{})

func main() {}

type relay struct{}

// order is where a message goes, and what it says there.
type order struct {
	To        string          `json:"to"`
	Body      json.RawMessage `json:"body"`
	TimeoutMS int             `json:"timeout_ms"`
	OneWay    bool            `json:"one_way"`
}

// Open has nothing to do: a connector that opens passes its test.
func (*relay) Open(*abi.OpenInput, *snaprail.Step) error { return nil }

// OnQuery hands a query on, and answers with all replies and with the error, if
// there is one.
func (*relay) OnQuery(m *abi.Message, step *snaprail.Step) error { return relayed(m, step) }

// OnRPC hands an RPC on, as OnQuery does.
func (*relay) OnRPC(m *abi.Message, step *snaprail.Step) error { return relayed(m, step) }

func relayed(m *abi.Message, step *snaprail.Step) error {
	var o order
	if err := json.Unmarshal(m.Body, &o); err != nil {
		return err
	}
	if o.To == "" { // the end of the line
		return step.Complete(m, map[string]any{"sender": m.Sender, "via": m.Via, "left_ms": time.Until(time.Unix(0, m.Deadline)).Milliseconds()})
	}
	out := abi.Message{Type: m.Type, Method: m.Method, ContentType: "application/json", Body: o.Body}
	timeout := time.Duration(o.TimeoutMS) * time.Millisecond
	if o.OneWay {
		if err := connectors.Tell(o.To, &out, timeout); err != nil {
			return err
		}
		return step.Success(m)
	}
	replies, err := connectors.Call(o.To, &out, timeout)
	if err != nil {
		return err
	}
	all := make([]map[string]any, 0, len(replies))
	for i := range replies {
		r := map[string]any{"code": replies[i].Code, "body": json.RawMessage(replies[i].Body)}
		if len(replies[i].Body) == 0 {
			delete(r, "body")
		}
		if e := replies[i].Err; e != nil {
			r["error"] = e.Code + ": " + e.Text
		}
		all = append(all, r)
	}
	return step.Complete(m, map[string]any{"replies": all})
}
