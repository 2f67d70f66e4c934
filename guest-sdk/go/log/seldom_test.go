package log_test

import (
	"testing"
	"testing/synctest"
	"time"

	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// does is a guest that does what the test says in a poll.
type does func()

func (d does) Poll([]byte, *snaprail.Step) error {
	d()
	return nil
}

func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s log.Seldom
		h := guesttest.New(t, does(func() {
			for range 150 { // seconds
				s.Warning("away")
				time.Sleep(time.Second) //nolint:forbidigo // the time of the test
			}
			s.Warning("denied")
			if !s.Over() || s.Over() {
				t.Error("the trouble ends once")
			}
			s.Warning("denied")
		}))
		lines := h.Log()
		h.MustPoll(nil)
		if len(*lines) != 5 { // away at 0, 60 and 120 s, denied twice
			t.Errorf("%+v", *lines)
		}
	})
}
