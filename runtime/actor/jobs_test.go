package actor

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A job that cannot be done is refused for what is wrong with it.
func TestJobsThatCannotBeDone(t *testing.T) {
	for name, tt := range map[string]struct {
		job  abi.Job
		want fault.Kind
		text string
	}{
		"no name":         {abi.Job{}, fault.Invalid, "no name"},
		"too long a name": {abi.Job{Name: strings.Repeat("n", maxJobName+1)}, fault.TooLarge, "at most 256 bytes"},
		"too large":       {abi.Job{Name: "n", Input: make([]byte, maxJobInput+1)}, fault.TooLarge, "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&lane{Actor: new(Actor)}).checkJobs([]abi.Job{tt.job})
			if !fault.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Error(err)
			}
		})
	}
}
