package control_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestDeletedFileStopsWhatNeedsIt: the connector is changed with it, says which
// part of its config is missing, and works again with another file.
func TestDeletedFileStopsWhatNeedsIt(t *testing.T) {
	r := newRig(t)
	module := r.tiny(abi.KindConnector, "one", `{"type":"object","properties":{"tls":{"type":"object","properties":{"cert":{"type":"string"}}}}}`)
	f, err := r.AddFile(t.Context(), "cert.pem", "application/x-pem-file", []byte("-----BEGIN"))
	if err != nil {
		t.Fatal(err)
	}
	in := control.ConnectorInput{
		Name: "a", Module: module, Params: []spec.Param{{Key: "tls.cert", Type: spec.ParamFile, FileID: f.ID}},
	}
	c, err := r.CreateConnector(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if config, err := r.Config(t.Context(), "a", true); err != nil || string(config) != `{"tls":{"cert":"-----BEGIN"}}` {
		t.Fatalf("%s, %v", config, err)
	}
	if config, err := r.Config(t.Context(), "a", false); err != nil || strings.Contains(string(config), "BEGIN") || !strings.Contains(string(config), f.ID) {
		t.Fatalf("shown to whoever may read: %s, %v", config, err)
	}
	if c, err = r.Activate(t.Context(), "a"); err != nil || c.Runtime.State != lifecycle.Running {
		t.Fatalf("%+v, %v", c.Runtime, err)
	}
	if err := r.DeleteFile(t.Context(), f.ID); err != nil {
		t.Fatal(err)
	}
	if list, _, err := r.Files(t.Context(), control.Page{}); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	c, err = r.Connector(t.Context(), "a")
	if err != nil || c.Params[0].FileID != "" || c.Revision != 3 {
		t.Errorf("%+v, %v", c.Connector, err)
	}
	_, err = r.Config(t.Context(), "a", false)
	if f := fault.Of(err); f == nil || f.Kind != fault.ConfigInvalid || f.Fields[0].Pointer != "/config/tls/cert" {
		t.Errorf("its config: %v", err)
	}
	if _, err := r.Deactivate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	_, err = r.Activate(t.Context(), "a")
	if err == nil || !strings.Contains(err.Error(), "/tls/cert") {
		t.Errorf("activated without its file: %v", err)
	}
	if f, err = r.AddFile(t.Context(), "cert.pem", "", []byte("again")); err != nil {
		t.Fatal(err)
	}
	in.Params[0].FileID = f.ID
	if _, err := r.UpdateConnector(t.Context(), "a", in, 0); err != nil {
		t.Fatal(err)
	}
	if c, err = r.Activate(t.Context(), "a"); err != nil || c.Runtime.State != lifecycle.Running {
		t.Errorf("%+v, %v", c.Runtime, err)
	}
	events, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "file"}, control.Page{})
	raw, _ := json.Marshal(events)
	if err != nil || len(events) != 3 || events[1].Action != identity.FileDelete || strings.Contains(string(raw), "BEGIN") {
		t.Errorf("%s, %v", raw, err)
	}
}
