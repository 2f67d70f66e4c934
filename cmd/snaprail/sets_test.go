package main

import (
	"net"
	"net/url"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snaprail/snaprail/runtime/fault"
)

// portsVerb is the script command
//
//	ports
//
// It sets $PORT to a TCP port that nobody has, and $TAKEN to the server's own.
func portsVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ports")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, free, err := net.SplitHostPort(ln.Addr().String())
	ts.Check(err)
	ts.Check(ln.Close())
	u, err := url.Parse(ts.Getenv("SNAPRAIL_SERVER"))
	ts.Check(err)
	ts.Setenv("PORT", free)
	ts.Setenv("TAKEN", u.Port())
}

func TestProbesAreRead(t *testing.T) {
	got, err := parseProbes([]string{"field=8000", "plant/oven=65535"})
	if want := []setPort{{"default", "field", 8000}, {"plant", "oven", 65535}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, wrong := range []string{"", "field", "field=", "=8000", "field=0", "field=65536", "field=x", "/field=1", "plant/=1"} {
		if got, err := parseProbes([]string{wrong}); !fault.Is(err, fault.Usage) {
			t.Errorf("%q: %+v, %v", wrong, got, err)
		}
	}
}
