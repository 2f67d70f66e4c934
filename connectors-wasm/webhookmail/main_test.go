package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// server plays the other side and checks what it gets.
type server struct {
	status int // 0: as a good server
	mails  []message
	keys   []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var at, signature string
	_, _ = fmt.Sscanf(strings.ReplaceAll(r.Header.Get("X-Signature"), ",v1=", " "), "t=%s %s", &at, &signature)
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(at + "." + string(body)))
	var m message
	switch {
	case s.status != 0:
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(s.status)
	case r.Header.Get("Authorization") != "Bearer the-secret":
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case hex.EncodeToString(mac.Sum(nil)) != signature:
		w.WriteHeader(http.StatusForbidden)
	case json.Unmarshal(body, &m) != nil:
		w.WriteHeader(http.StatusBadRequest)
	default:
		s.mails, s.keys = append(s.mails, m), append(s.keys, r.Header.Get("Idempotency-Key"))
		_, _ = w.Write([]byte(`{"id":"m-1"}`))
	}
}

const good = `{"url":"https://mail.test/send","from":"boiler@plant.test","authorization":"Bearer secret://mail","signing_key":"key"}`

func rig(t *testing.T) (*guesttest.Harness, *server) {
	t.Helper()
	peer := &server{}
	h := guesttest.New(t, &mailer{})
	h.Web(peer).Secrets["mail"] = "the-secret"
	h.MustOpen(good)
	return h, peer
}

func TestMailIsHandedOver(t *testing.T) {
	h, peer := rig(t)
	if got := h.MustOperate("send_message", `{"to":"a@x.test, b@x.test","subject":"Boiler","body":"low\nvery"}`); got != `{"sent":true,"id":"m-1"}` {
		t.Errorf("it answers %s", got)
	}
	h.MustOperate("send_message", `{"to":"a@x.test","subject":"s","body":"","from":"me@x.test","html":"<b>x</b>"}`)
	want := []message{
		{From: "boiler@plant.test", To: []string{"a@x.test", "b@x.test"}, Subject: "Boiler", Text: "low\nvery"},
		{From: "me@x.test", To: []string{"a@x.test"}, Subject: "s", HTML: "<b>x</b>"},
	}
	if !reflect.DeepEqual(peer.mails, want) {
		t.Errorf("handed over %+v", peer.mails)
	}
	if len(peer.keys) != 2 || peer.keys[0] == peer.keys[1] || len(peer.keys[0]) < 20 {
		t.Errorf("the keys are %q", peer.keys)
	}
}

// TestNobodyAddsRecipientsOrHeaders: an argument stays what it is.
func TestNobodyAddsRecipientsOrHeaders(t *testing.T) {
	h, peer := rig(t)
	for _, args := range []map[string]string{
		{"to": "a@x.test\r\nBcc: b@x.test", "subject": "s"},
		{"to": "a@x.test", "subject": "s\nBcc: b@x.test"},
		{"to": "a@x.test", "subject": "s", "from": "x@y\r\nX: y"},
		{"to": "", "subject": "s"},
		{"to": "a@x.test,", "subject": "s"},
		{"to": "nobody", "subject": "s"},
		{"to": "a@b@c", "subject": "s"},
		{"to": "A <a@x.test>", "subject": "s"},
		{"to": "a@x.test", "subject": ""},
		{"to": "a@x.test", "subject": strings.Repeat("x", 999)},
		{"to": strings.Repeat("a@x.test,", 60) + "a@x.test", "subject": "s"},
		{"to": "a@x.test", "subject": "s", "body": strings.Repeat("x", maxBody+1)},
	} {
		raw, _ := json.Marshal(args)
		_, err := h.Operate("send_message", string(raw))
		var fault *abi.Error
		if !errors.As(err, &fault) || fault.Kind != abi.FaultInvalid {
			t.Errorf("%.60s: %v", raw, err)
		}
	}
	if len(peer.mails) > 0 {
		t.Errorf("handed over %+v", peer.mails)
	}
}

func TestWhatAServerSaysAgainstIt(t *testing.T) {
	h, peer := rig(t)
	for status, want := range map[int]abi.FaultKind{
		401: abi.FaultUnauthenticated, 404: abi.FaultNotFound, 429: abi.FaultExhausted, 302: abi.FaultUnavailable, 500: abi.FaultUnavailable,
	} {
		peer.status = status
		_, err := h.Operate("send_message", `{"to":"a@x.test","subject":"s","body":"b"}`)
		var fault *abi.Error
		if !errors.As(err, &fault) || fault.Kind != want || (fault.RetryAfterMS != 0) != (status == 429) {
			t.Errorf("%d: %#v", status, err)
		}
	}
}

func TestConnectionSendsNothing(t *testing.T) {
	peer := &server{}
	h := guesttest.New(t, &mailer{})
	h.Web(peer).Secrets["mail"] = "the-secret"
	for config, want := range map[string]bool{
		good: true, `{"url":"https://mail.test/send"}`: false, `{}`: false, `{"url":"https://x","from":"nobody"}`: false,
		strings.Replace(good, "secret://mail", "secret://none", 1): false,
	} {
		result, err := h.Test(config)
		if err != nil || result.Success != want || result.Message == "" {
			t.Errorf("%s: %+v, %v", config, result, err)
		}
	}
	if len(peer.mails) > 0 {
		t.Errorf("a test sent %+v", peer.mails)
	}
}

// TestConnectionWithoutOptions: a server that does not know the method has
// answered all the same; one that fails is told apart by what it was asked.
func TestConnectionWithoutOptions(t *testing.T) {
	for status, good := range map[int]bool{http.StatusNotImplemented: true, http.StatusMethodNotAllowed: true, http.StatusInternalServerError: false} {
		h := guesttest.New(t, &mailer{})
		h.Web(&server{status: status})
		result, err := h.Test(`{"url":"https://mail.test/send"}`)
		if err != nil || result.Success != good || !good && !strings.Contains(result.Message, "to OPTIONS https://mail.test/send") {
			t.Errorf("%d: %+v, %v", status, result, err)
		}
	}
}

// TestConnectionAdvice: a test that fails says what to do next as well as the
// operation does, be it the server's refusal or the host's.
func TestConnectionAdvice(t *testing.T) {
	for config, hint := range map[string]string{
		`{"url":"https://mail.test/send"}`: "Check authorization and signing_key.",
		`{}`:                               "The module's README says what the config may hold.",
	} {
		h := guesttest.New(t, &mailer{})
		h.Web(&server{})
		result, err := h.Test(config)
		details := map[string]string{}
		for _, d := range result.Details {
			details[d.Name] = string(d.Value)
		}
		if err != nil || result.Success || details["hint"] != hint || details["code"] == "" {
			t.Errorf("%s: %+v, %v", config, result, err)
		}
	}
}
