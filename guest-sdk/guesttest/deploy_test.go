package guesttest_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/deploy"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// line deploys a press with all that there is.
type line struct{}

func (line) Deploy(*abi.DeployInput) ([]byte, error) {
	press, err := deploy.Connector(&abi.DeployConnector{Name: "press 1", Category: "protocol", ProviderType: "opcua"})
	if err != nil {
		return nil, err
	}
	if _, err := deploy.Device("press 1", &abi.Device{ID: "p1", Name: "Press"}); err != nil {
		return nil, err
	}
	if _, err := deploy.HTTP("view", &abi.HTTPRequest{Method: "PUT", URL: "https://a.example/v"}, &abi.HTTPRequest{Method: "DELETE", URL: "https://a.example/v"}); err != nil {
		return nil, err
	}
	var denied *abi.Error
	if _, err := deploy.Topic(&abi.DeployTopic{Name: "press"}); !errors.As(err, &denied) {
		return nil, err
	}
	return []byte(`"` + press.ID + `"`), deploy.Note("label", "peel it off")
}

func (line) TearDown(*abi.DeployInput) ([]byte, error) { return []byte("null"), nil }

func TestDeployment(t *testing.T) {
	h := guesttest.New(t, line{})
	made := h.Deployment()
	made.Fail = func(resource string) error {
		if resource == "topic press" {
			return &abi.Error{Kind: abi.FaultUnsupported, Code: "unsupported"}
		}
		return nil
	}
	answer, err := h.Deploy(`{"id":"p1"}`, `{}`)
	if err != nil || answer != `"con press 1"` {
		t.Fatalf("%s, %v", answer, err)
	}
	want := []string{"connector press 1", "device p1", "http view", "note label"}
	if !slices.Equal(made.Asked, want) {
		t.Errorf("asked for %q, want %q", made.Asked, want)
	}
	if made.HTTP[0].Inverse.Method != "DELETE" || made.Devices[0].Connector != "press 1" || made.Notes[0].Text != "peel it off" {
		t.Errorf("%+v", made)
	}
}
