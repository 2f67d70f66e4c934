package param_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/param"
)

func TestRefersToSecret(t *testing.T) {
	for value, want := range map[string]bool{
		"secret://mail": true, "Bearer secret://mail": true,
		"": false, "secret://": false, "hunter2": false, "Bearer hunter2": false, "hunter2 secret://mail and more": false,
		"user:hunter2 secret://mail": false, "Bearer secret://mail hunter2": false,
	} {
		if got := param.RefersToSecret(value); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}
