package api

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// replyFeed is the replies to one message, as they come. What its reader has not
// taken waits in the exchange, which bounds it.
type replyFeed struct {
	exchange *control.Exchange
	shape    control.Shape
	count    int
}

func (f *replyFeed) push(ctx context.Context, p *pusher) (full bool, err error) {
	r, err := f.exchange.Next(ctx)
	if err != nil {
		return false, err
	}
	raw, err := json.Marshal(replyForm(&r, f.shape))
	if err != nil {
		return false, fault.Wrap(fault.Internal, err, "reply")
	}
	f.count++
	return p.end(append(p.begin("reply", strconv.Itoa(f.count)), raw...)), nil
}

// pending cannot be told, so each reply is written as it comes.
func (f *replyFeed) pending() bool { return false }

// rest keeps nothing, so there is nothing to let go of.
func (f *replyFeed) rest() {}

// place is none: a message is not sent twice.
func (f *replyFeed) place() string { return "" }
