package twin

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// slowSpace is one whose readers, once it is slow, take longer than whoever asks waits.
type slowSpace struct {
	store.Space

	slow atomic.Bool
}

func (s *slowSpace) View(ctx context.Context, fn func(store.Reader) error) error {
	if ends := ctx.Done(); ends != nil && s.slow.Load() {
		<-ends
		return ctx.Err()
	}
	return s.Space.View(ctx, fn)
}

// TestSlowMachineDropsNoReadings: the pause between two writes of the twins, which ends
// while a block is taken in, costs nothing of the block.
func TestSlowMachineDropsNoReadings(t *testing.T) {
	r := newRig(t, Limits{})
	r.stop()
	slow := &slowSpace{Space: r.space}
	r.space = slow
	r.connector(spec.Connector{ID: "c", Mapping: []spec.Mapping{{Tag: "temp", Pointer: "/t"}}})
	r.start(Limits{})
	r.must(r.twins.ready(t.Context()))
	slow.slow.Store(true)
	r.emit(outbox.Block{}, abi.Record{Device: "d", Time: time.Now().UnixNano(), ContentType: "application/json", Payload: []byte(`{"t":4.5}`)})
	slow.slow.Store(false)
	if d := r.of("d"); string(d.Telemetry["temp"].Raw()) != "4.5" {
		t.Errorf("what was read is %+v", d)
	}
}
