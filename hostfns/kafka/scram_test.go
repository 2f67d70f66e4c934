package kafka

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A broker cannot have the host compute for minutes, which neither a deadline nor
// the end of the session would stop.
func TestScramIterationsAreBounded(t *testing.T) {
	r := cluster(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "u", "p"))
	r.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(q kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		a := q.(*kmsg.SASLAuthenticateRequest)
		_, nonce, _ := strings.Cut(string(a.SASLAuthBytes), "r=")
		resp := a.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.SASLAuthBytes = []byte("r=" + nonce + "x,s=c2FsdHNhbHQ=,i=2000000000")
		return resp, nil, true
	})
	began := time.Now()
	err := r.try(r.args(func(a *abi.KafkaOpen) {
		a.Mechanism, a.Username, a.Password, a.AllowInsecure = "SCRAM-SHA-256", "u", "p", true
	}), capability.Scope{Grants: r.grants()})
	if !fault.Is(err, fault.ConfigInvalid) || !strings.Contains(err.Error(), "2000000000 iterations") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %v", took)
	}
}

func TestScramIterations(t *testing.T) {
	for said, refused := range map[string]bool{
		"4096": false, "16384": false, "1000001": true, "9223372036854775807": true, "99999999999999999999999": true, "+1000001": true, "01000001": true,
	} {
		inner := scram.Auth{User: "u", Pass: "p"}.AsSha256Mechanism()
		session, first, err := scramLogin{inner}.Authenticate(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		_, nonce, _ := bytes.Cut(first, []byte("r="))
		if _, _, err = session.Challenge([]byte("r=" + string(nonce) + "x,s=c2FsdA==,i=" + said)); (err != nil) != refused {
			t.Errorf("%s: %v", said, err)
		}
	}
}
