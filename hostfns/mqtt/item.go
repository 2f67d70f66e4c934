package mqtt

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/queue"
)

// item is a message on its way.
type item struct {
	flight  *flight // nil: nobody waits
	index   int
	name    string
	message *wire.Message
	size    int
	id      uint16
	state   state
	flying  bool      // it was sent over the present link
	settle  bool      // a PUBREL for what an earlier process left goes before it
	since   time.Time // when it was sent
}

// state is how far a message is.
type state byte

const (
	waiting state = iota
	sent          // and not acknowledged
	half          // QoS 2: a PUBREC came
	ended
)

// flight is a batch under way.
type flight struct {
	results []abi.MQTTResult
	over    []bool // by message: it has its result
	left    int
	done    chan struct{} // closed when every message has a result
}

// itemSize is how much memory a message takes, about: all that it holds, whether
// this version of the protocol writes it or not, and what it costs to keep that.
func itemSize(m *wire.Message, name string) int {
	p := &m.Properties
	n := queue.Overhead + len(name) + len(m.Topic) + len(m.Payload) + len(p.ContentType) + len(p.ResponseTopic) + len(p.CorrelationData)
	for i := range p.User {
		n += len(p.User[i].Name) + len(p.User[i].Value) + perUser
	}
	return n
}

// perUser is what a user property costs beside its text, in bytes.
const perUser = 64

func (f *flight) ended() {
	if f.left--; f.left == 0 {
		close(f.done)
	}
}
