package peertest

import (
	"strings"
	"testing"
)

// What a broker holds outlives it, and nobody who comes makes a topic.
func TestKafka(t *testing.T) {
	k := StartKafka(t)
	k.MakeTopic("lines", 1)
	k.Kcat("a\nb\n", "-P", "-t", "lines")
	k.Kill()
	k.Start()
	if got := k.Kcat("", "-C", "-t", "lines", "-e"); got != "a\nb\n" {
		t.Errorf("%q", got)
	}
	if got := k.Kcat("", "-L"); strings.Count(got, "topic ") != 1 || !strings.Contains(got, k.Address) {
		t.Errorf("%s", got)
	}
}
