package main

import (
	"bufio"
	"context"
	"regexp"
	"testing"
	"time"
)

// The station writes what the demo promises, and ends although nobody reads.
func TestStationPlaysAndEnds(t *testing.T) {
	s, err := newStation(false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.play(ctx, 10*time.Microsecond) }()
	lines := bufio.NewReader(s.far)
	form := regexp.MustCompile(`^[1-9][0-9][1-9][0-9][1-9][0-9]\n$`)
	for range 100 {
		line, err := lines.ReadString('\n')
		if err != nil || !form.MatchString(line) {
			t.Fatalf("line %q, %v", line, err)
		}
	}
	// Nobody reads on: the line fills up, and play is held by it.
	for full := false; !full; {
		select {
		case err := <-done:
			t.Fatal("play ended by itself:", err)
		default:
		}
		before := s.written.Load()
		tick := time.NewTimer(20 * time.Millisecond)
		<-tick.C
		full = s.written.Load() == before
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}
