package abi_test

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func TestWhatIsJSON(t *testing.T) {
	for contentType, want := range map[string]bool{
		"": true, "application/json": true, "Application/JSON; charset=utf-8": true, "application/cloudevents+json": true,
		"text/plain": false, "application/jsonl": false, "json": false, "application/json; =": false, "+json/x": false,
	} {
		if got := abi.IsJSON(contentType); got != want {
			t.Errorf("%q: %v", contentType, got)
		}
	}
}
