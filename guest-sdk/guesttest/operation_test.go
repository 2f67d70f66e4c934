package guesttest_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// drive has every handler that is called outside of the steps.
type drive struct{}

func (drive) Operate(name string, args []byte) ([]byte, error) {
	switch name {
	case "echo":
		return args, nil
	case "nothing":
		return nil, nil
	}
	return nil, snaprail.NoOperation(name)
}

func (drive) NormalizeImport(object []byte) ([]byte, error) {
	var wrapped struct{ Installed json.RawMessage }
	if err := json.Unmarshal(object, &wrapped); err != nil || wrapped.Installed == nil {
		return object, err
	}
	return wrapped.Installed, nil
}

func (drive) ExchangeOAuthCode(in *abi.ExchangeInput) (map[string]string, error) {
	if in.Code != "good" {
		return nil, errors.New("the code is not good")
	}
	return map[string]string{"refresh_token": "r", "redirect": in.RedirectURI}, nil
}

func (drive) OAuthAuthorizeURL(in *abi.AuthorizeInput) (string, error) {
	return "https://accounts.example/?state=" + in.State, nil
}

func TestCallsBesideTheSteps(t *testing.T) {
	h := guesttest.New(t, drive{})
	want := []string{abi.DescribeOperations, abi.EntryNormalizeImport, abi.EntryExchangeOAuthCode, abi.EntryOAuthAuthorizeURL}
	if got := h.Describe(); !slices.Equal(got, want) {
		t.Errorf("describe says %q, want %q", got, want)
	}
	if got := h.MustOperate("echo", `{"a":1}`); got != `{"a":1}` {
		t.Errorf("echo answered %s", got)
	}
	if got := h.MustOperate("nothing", `{}`); got != "null" {
		t.Errorf("an empty answer is %q, want null", got)
	}
	var fault *abi.Error
	if _, err := h.Operate("fly", `{}`); !errors.As(err, &fault) || fault.Kind != abi.FaultUnsupported {
		t.Errorf("an operation that there is not: %v", err)
	}
	for _, object := range []string{`{"installed":{"client_id":"x"}}`, `{"client_id":"x"}`} {
		if got, err := h.NormalizeImport(object); err != nil || got != `{"client_id":"x"}` {
			t.Errorf("%s became %s, %v", object, got, err)
		}
	}
	params, err := h.ExchangeOAuthCode(abi.ExchangeInput{Code: "good", RedirectURI: "https://here", Config: []byte(`{}`)})
	if err != nil || params["refresh_token"] != "r" || params["redirect"] != "https://here" {
		t.Errorf("exchange answered %v, %v", params, err)
	}
	if _, err := h.ExchangeOAuthCode(abi.ExchangeInput{Code: "bad", Config: []byte(`{}`)}); err == nil {
		t.Error("a bad code was exchanged")
	}
	if url, err := h.OAuthAuthorizeURL(abi.AuthorizeInput{State: "s", Config: []byte(`{}`)}); err != nil || url != "https://accounts.example/?state=s" {
		t.Errorf("the address is %q, %v", url, err)
	}
}

// TestNoHandlers holds what a guest without the handlers answers: unsupported,
// which the host takes for "as it is".
func TestNoHandlers(t *testing.T) {
	h := guesttest.New(t, struct{}{})
	for _, entry := range []string{"op_put", abi.EntryNormalizeImport, abi.EntryExchangeOAuthCode, abi.EntryOAuthAuthorizeURL} {
		var fault *abi.Error
		if _, err := h.Call(entry, []byte(`{}`)); !errors.As(err, &fault) || fault.Kind != abi.FaultUnsupported {
			t.Errorf("%s answered %v, want unsupported", entry, err)
		}
	}
}
