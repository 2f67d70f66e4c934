package main

import (
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestFailureSaysHowLongToWait: there are no headers to look at.
func TestFailureSaysHowLongToWait(t *testing.T) {
	var b strings.Builder
	printFault(&b, fault.New(fault.RateLimited, "too fast").WithRetryAfter(5200*time.Millisecond))
	if !strings.Contains(b.String(), "\nwait:  6s\n") {
		t.Error(b.String())
	}
	b.Reset()
	if printFault(&b, fault.New(fault.RateLimited, "too fast")); strings.Contains(b.String(), "wait:") {
		t.Error(b.String())
	}
}
