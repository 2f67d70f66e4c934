package spec_test

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/spec"
)

func TestSecretNames(t *testing.T) {
	for raw, want := range map[string]string{
		`{}`:                       "",
		`{"token":"secret://a"}`:   "a",
		`{"token":"secret:\/\/a"}`: "a",
		`{"auth":"Bearer secret://b.c-d_E9","x":["secret://a","secret://a/","secret://"]}`: "a b.c-d_E9",
		`"secret://secret://a"`: "secret",
	} {
		if got := strings.Join(spec.SecretNames([]byte(raw)), " "); got != want {
			t.Errorf("%s names %q", raw, got)
		}
	}
}
