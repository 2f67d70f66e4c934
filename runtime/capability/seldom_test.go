package capability_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
)

func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s capability.Seldom
		if held, ok := s.Say(); !ok || held != 0 {
			t.Error("the first line is held back")
		}
		for range 5 {
			if _, ok := s.Say(); ok {
				t.Error("twice within a minute")
			}
		}
		<-time.After(time.Minute)
		if held, ok := s.Say(); !ok || held != 5 {
			t.Errorf("after a minute: %v, %d held back", ok, held)
		}
	})
}
