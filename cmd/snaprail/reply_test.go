package main

import (
	"io"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestPartThatFailedIsNoSuccess: a script goes by the exit code.
func TestPartThatFailedIsNoSuccess(t *testing.T) {
	for code, exit := range map[uint32]int{200: 0, 204: 0, 207: fault.ExitFailure} {
		for _, output := range []string{"", outputJSON} {
			a := &app{terminal: terminal{out: &inert{to: io.Discard}, err: io.Discard}, output: output}
			if err := a.showReply(client.Reply{Status: "complete", Code: code, Data: []byte("[]")}); err != nil || a.exit != exit {
				t.Errorf("%d exits %d, %v", code, a.exit, err)
			}
		}
	}
}
