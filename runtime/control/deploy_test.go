package control_test

import (
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// views is a web server that keeps what it is sent.
type views struct {
	*httptest.Server

	mu   sync.Mutex
	has  map[string]string
	did  []string
	deny map[string]int // by method and path, the status
}

func newViews(t *testing.T) *views {
	t.Helper()
	v := &views{has: map[string]string{}, deny: map[string]int{}}
	v.Server = httptest.NewServer(nethttp.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	return v
}

func (v *views) serve(w nethttp.ResponseWriter, r *nethttp.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	did := r.Method + " " + r.URL.Path
	v.did = append(v.did, did)
	body, _ := io.ReadAll(r.Body)
	if status := v.deny[did]; status > 0 {
		nethttp.Error(w, "no", status)
		return
	}
	switch r.Method {
	case nethttp.MethodPut:
		v.has[r.URL.Path] = string(body)
		w.WriteHeader(nethttp.StatusCreated)
		_, _ = io.WriteString(w, "made "+path.Base(r.URL.Path))
	case nethttp.MethodPost:
		id := fmt.Sprint(len(v.did))
		v.has[path.Join(r.URL.Path, id)] = string(body)
		w.WriteHeader(nethttp.StatusCreated)
		fmt.Fprintf(w, `{"id":%s}`, id)
	case nethttp.MethodDelete:
		if _, there := v.has[r.URL.Path]; !there {
			w.WriteHeader(nethttp.StatusNotFound)
		}
		delete(v.has, r.URL.Path)
	}
}

// refuse answers a request with this status; 0: no longer.
func (v *views) refuse(did string, status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.deny[did] = status
}

// seen is what there is and what was done since the last look.
func (v *views) seen() (has, did string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var names []string
	for name := range v.has {
		names = append(names, name)
	}
	slices.Sort(names)
	did = strings.Join(v.did, ", ")
	v.did = nil
	return strings.Join(names, " "), did
}

// yard is a rig with a factory and the server of its views.
type yard struct {
	*rig

	views *views
}

func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{rig: newRig(t), views: newViews(t)}
	var factory string
	for _, name := range []string{"factory", "ticker"} {
		src, err := os.ReadFile("../../testdata/guests/dist/" + name + ".wasm")
		if err != nil {
			t.Skipf("no guest: %v; make test-setup builds it", err)
		}
		if digest := y.upload(src); name == "factory" {
			factory = digest
		}
	}
	write := []spec.Right{spec.Read, spec.Write}
	y.create(control.ConnectorInput{
		Name: "yard", Module: factory, Config: json.RawMessage(`{"server":"` + y.views.URL + `"}`),
		Grants: []spec.Grant{
			{Group: "deploy", Resources: []string{"connector:tick*", "device:*", "http:*", "topic:*"}, Rights: write},
			{Group: "http", Resources: []string{y.views.URL + "/*", "cidr:127.0.0.0/8"}, Rights: write},
		},
	})
	return y
}

// press is a document of a press with this config.
func press(config string) control.DeviceDocument {
	return control.DeviceDocument{Type: "factory", ID: "press", Name: "Press 1", Config: json.RawMessage(config)}
}

func (y *yard) deploy(config string) control.DeploymentView {
	y.t.Helper()
	v, err := y.Deploy(y.t.Context(), press(config))
	if err != nil {
		y.t.Fatal(err)
	}
	return v
}

// made is a deployment's resources: "connector line of press made".
func made(v control.DeploymentView) string {
	var all []string
	for _, r := range v.Resources {
		all = append(all, fmt.Sprintf("%s %s %s", r.Kind, r.Name, r.Standing))
	}
	return strings.Join(all, ", ")
}

const wholePress = "connector line of press made, device line of press/press made, http left made, http right made, http posted log made"

func TestDeploy(t *testing.T) {
	y := newYard(t)
	const config = `{"views":["left","right"],"posted":["log"]}`
	v := y.deploy(config)
	if v.State != deploy.Deployed || made(v) != wholePress || v.UUID == "" || !v.Changed {
		t.Fatalf("%s: %s", v.State, made(v))
	}
	if has, did := y.views.seen(); has != "/posted/3 /views/left /views/right" || did != "PUT /views/left, PUT /views/right, POST /posted" {
		t.Errorf("has %q, did %q", has, did)
	}
	line, err := y.Connector(t.Context(), "line of press")
	if err != nil || !line.Enabled || line.Owner != v.UUID {
		t.Fatalf("%+v, %v", line.Connector, err)
	}
	d, err := y.Device(t.Context(), "line of press", "press")
	if err != nil || d.UUID != v.UUID || d.Tags["line"] != "3" || d.Name != "Press 1" {
		t.Errorf("%+v, %v", d, err)
	}
	if !strings.Contains(string(v.Answer), `"connector":"`+line.ID) || !strings.Contains(string(v.Answer), "made left") {
		t.Errorf("answered %s", v.Answer)
	}
	again := y.deploy(config)
	if again.Changed || again.Revision != v.Revision || again.UUID != v.UUID || !strings.Contains(string(again.Answer), `"existed":5`) {
		t.Errorf("deployed again: %+v", again)
	}
	if _, did := y.views.seen(); did != "" {
		t.Errorf("deployed again, did %q", did)
	}
	if err := y.DeleteConnector(t.Context(), "yard", 0); !fault.Is(err, fault.WrongState) {
		t.Errorf("its connector could be deleted: %v", err)
	}
	if documents, err := y.Export(t.Context()); err != nil || len(documents) != 2 || !strings.Contains(string(documents[1]), `"kind":"device"`) {
		t.Errorf("exported %s, %v", documents, err)
	}
}

func TestTearDown(t *testing.T) {
	y := newYard(t)
	v := y.deploy(`{"views":["left"],"posted":["log"]}`)
	y.views.seen()
	torn, err := y.TearDown(t.Context(), "press", 0) // by the device's id
	if err != nil || torn.State != deploy.TornDown || len(torn.Resources) > 0 || torn.UUID != v.UUID {
		t.Fatalf("%+v, %v", torn, err)
	}
	if has, did := y.views.seen(); has != "" || did != "DELETE /posted/2, DELETE /views/left" {
		t.Errorf("has %q, did %q", has, did)
	}
	if _, err := y.Connector(t.Context(), "line of press"); !fault.Is(err, fault.NotFound) {
		t.Errorf("its connector is there: %v", err)
	}
	if _, err := y.Deployment(t.Context(), v.UUID); !fault.Is(err, fault.NotFound) {
		t.Errorf("it is there: %v", err)
	}
	if err := y.DeleteConnector(t.Context(), "yard", 0); err != nil {
		t.Error(err)
	}
}

func TestUpdateOfADeployment(t *testing.T) {
	y := newYard(t)
	y.deploy(`{"views":["left","right"],"interval_ms":500}`)
	y.views.seen()
	before, err := y.Connector(t.Context(), "line of press")
	if err != nil {
		t.Fatal(err)
	}
	v := y.deploy(`{"views":["right","top"],"interval_ms":700}`)
	if want := "connector line of press made, device line of press/press made, http right made, http top made"; made(v) != want {
		t.Errorf("there is %s", made(v))
	}
	if has, did := y.views.seen(); has != "/views/right /views/top" || did != "PUT /views/top, DELETE /views/left" {
		t.Errorf("has %q, did %q", has, did)
	}
	after, err := y.Connector(t.Context(), "line of press")
	if err != nil || after.ID != before.ID || !strings.Contains(string(after.Config), "700") {
		t.Errorf("%s, %v", after.Config, err)
	}
	// An update that fails leaves what was there as it was.
	y.views.refuse("PUT /views/bad", nethttp.StatusConflict)
	if _, err := y.Deploy(t.Context(), press(`{"views":["right","new","bad"],"interval_ms":900}`)); !fault.Is(err, fault.DeployFailed) {
		t.Fatalf("%v", err)
	}
	if has, did := y.views.seen(); has != "/views/right /views/top" || did != "PUT /views/new, PUT /views/bad, DELETE /views/new" {
		t.Errorf("has %q, did %q", has, did)
	}
	after, err = y.Connector(t.Context(), "line of press")
	if err != nil || !strings.Contains(string(after.Config), "700") {
		t.Errorf("%s, %v", after.Config, err)
	}
}

// TestFailedDeploy: however a guest fails, what it had made is taken back.
func TestFailedDeploy(t *testing.T) {
	y := newYard(t)
	for _, end := range []string{"trap", "error", "spin"} {
		if end == "spin" {
			limits := spec.Limits{OpenTimeout: spec.Duration(2e9)}
			c := y.read("yard")
			in := control.ConnectorInput{Name: "yard", Module: c.Module, Config: c.Config, Grants: c.Grants, Limits: limits}
			if _, err := y.UpdateConnector(t.Context(), "yard", in, 0); err != nil {
				t.Fatal(err)
			}
		}
		_, err := y.Deploy(t.Context(), press(`{"views":["left"],"posted":["log"],"end":"`+end+`"}`))
		if !fault.Is(err, fault.DeployFailed) {
			t.Fatalf("%s: %v", end, err)
		}
		if has, _ := y.views.seen(); has != "" {
			t.Errorf("%s: left %q", end, has)
		}
		if _, err := y.Connector(t.Context(), "line of press"); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: its connector is there: %v", end, err)
		}
		v, err := y.Deployment(t.Context(), "press")
		if err != nil || v.State != deploy.Failed || len(v.Resources) > 0 || v.Problem == nil {
			t.Errorf("%s: %+v, %v", end, v, err)
		}
	}
	// The same document, now that its cause is mended.
	if _, err := y.Deploy(t.Context(), press(`{"views":["left"]}`)); err != nil {
		t.Error(err)
	}
}

// TestTearDownOfAFailingGuest: the ledger is walked whatever the guest does, and
// what only the guest knows is an orphan.
func TestTearDownOfAFailingGuest(t *testing.T) {
	for _, tear := range []string{"trap", "error"} {
		y := newYard(t)
		y.deploy(`{"views":["left"],"tear":"` + tear + `"}`)
		v, err := y.TearDown(t.Context(), "press", 0)
		if err != nil || v.State != deploy.TornDown || v.Problem == nil || made(v) != "tear_down press orphan" {
			t.Fatalf("%s: %s %+v, %v", tear, made(v), v.Problem, err)
		}
		if has, _ := y.views.seen(); has != "" {
			t.Errorf("%s: left %q", tear, has)
		}
		orphans, _, err := y.Orphans(t.Context(), control.Page{})
		if err != nil || len(orphans) != 1 || orphans[0].Reason == "" {
			t.Fatalf("%+v, %v", orphans, err)
		}
		if _, err := y.DismissOrphan(t.Context(), "press", orphans[0].Number, 0); err != nil {
			t.Error(err)
		}
		if _, err := y.Deployment(t.Context(), "press"); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: it is there: %v", tear, err)
		}
	}
}

func TestOrphansAreRetried(t *testing.T) {
	y := newYard(t)
	y.deploy(`{"views":["left","right"],"note":"peel the label off","topic":true}`)
	y.views.refuse("DELETE /views/left", nethttp.StatusInternalServerError)
	v, err := y.TearDown(t.Context(), "press", 0)
	if err != nil || made(v) != "http left orphan, note by hand orphan" {
		t.Fatalf("%s, %v", made(v), err)
	}
	orphans, _, err := y.Orphans(t.Context(), control.Page{})
	if err != nil || len(orphans) != 2 || !strings.Contains(orphans[0].Reason, "500") || !strings.Contains(orphans[1].Reason, "there is no topic for press") {
		t.Fatalf("%+v, %v", orphans, err)
	}
	if has, _ := y.views.seen(); has != "/views/left" {
		t.Errorf("has %q", has)
	}
	y.views.refuse("DELETE /views/left", 0)
	as := y.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, Role: identity.Operator})
	if v, err = as.RetryDeployment(t.Context(), v.UUID); err != nil || made(v) != "note by hand orphan" {
		t.Fatalf("%s, %v", made(v), err)
	}
	if has, _ := y.views.seen(); has != "" {
		t.Errorf("has %q", has)
	}
}

func TestGrantsOfADeployment(t *testing.T) {
	y := newYard(t)
	if _, err := y.Deploy(t.Context(), press(`{"wide":true}`)); !fault.Is(err, fault.DeployFailed) || !strings.Contains(err.Error(), "does not have the grant serial /dev/*") {
		t.Errorf("wider grants than its own: %v", err)
	}
	c := y.read("yard")
	in := control.ConnectorInput{Name: "yard", Module: c.Module, Config: c.Config, Grants: c.Grants[:1]}
	if _, err := y.UpdateConnector(t.Context(), "yard", in, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := y.Deploy(t.Context(), press(`{"views":["left"]}`)); !fault.Is(err, fault.DeployFailed) || !strings.Contains(err.Error(), "http") {
		t.Errorf("HTTP without a grant: %v", err)
	}
	in.Grants = nil
	if _, err := y.UpdateConnector(t.Context(), "yard", in, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := y.Deploy(t.Context(), press(`{}`)); !fault.Is(err, fault.DeployFailed) {
		t.Errorf("a connector without a grant: %v", err)
	}
	if _, did := y.views.seen(); did != "" {
		t.Errorf("did %q", did)
	}
	if _, err := y.Connector(t.Context(), "line of press"); !fault.Is(err, fault.NotFound) {
		t.Errorf("its connector is there: %v", err)
	}
}

// TestForeignThingsStay: what is there already, and not of the deployment, is
// neither taken over nor taken away.
func TestForeignThingsStay(t *testing.T) {
	y := newYard(t)
	foreign := y.create(control.ConnectorInput{Name: "line of press", Category: "telemetry", ProviderType: "ticker"})
	if _, err := y.Deploy(t.Context(), press(`{}`)); !fault.Is(err, fault.DeployFailed) || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("%v", err)
	}
	if c := y.read("line of press"); c.ID != foreign.ID || c.Revision != foreign.Revision {
		t.Errorf("%+v", c)
	}
}

func TestDocumentOfADevice(t *testing.T) {
	y := newYard(t)
	for name, c := range map[string]struct {
		doc     control.DeviceDocument
		pointer string
		says    string
	}{
		"an unknown type": {control.DeviceDocument{Type: "mtconnect", ID: "a"}, "/type", "the types are factory"},
		"no id":           {control.DeviceDocument{Type: "factory"}, "/id", "is required"},
		"a bad uuid":      {control.DeviceDocument{Type: "factory", ID: "a", UUID: "a/b"}, "/uuid", "has up to"},
		"a list":          {control.DeviceDocument{Type: "factory", ID: "a", Config: json.RawMessage(`[]`)}, "/config", "is an object"},
		"a wrong value":   {control.DeviceDocument{Type: "factory", ID: "a", Config: json.RawMessage(`{"interval_ms":"x"}`)}, "/config/interval_ms", ""},
		"an unknown one":  {control.DeviceDocument{Type: "factory", ID: "a", Config: json.RawMessage(`{"speed":1}`)}, "/config/speed", ""},
		"a secret":        {control.DeviceDocument{Type: "factory", ID: "a", Config: json.RawMessage(`{"token":"t0p"}`)}, "/config/token", "is a secret"},
		"another's":       {control.DeviceDocument{Type: "factory", ID: "a", Connector: "no"}, "/connector", "is none that deploys"},
	} {
		_, err := y.Deploy(t.Context(), c.doc)
		f := fault.Of(err)
		if f == nil || !slices.ContainsFunc(f.Fields, func(field fault.Field) bool {
			return field.Pointer == c.pointer && strings.Contains(field.Detail, c.says)
		}) {
			t.Errorf("%s: %v, %+v", name, err, f)
		}
	}
	if list, _, err := y.Deployments(t.Context(), control.Page{}); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestApplyDeploysDevices(t *testing.T) {
	y := newYard(t)
	document := func(id, config string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"kind":"device","id":%q,"type":"factory","config":%s}`, id, config))
	}
	apply := func(o control.ApplyOptions, documents ...json.RawMessage) string {
		t.Helper()
		p, err := y.Apply(t.Context(), documents, o)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range p.Changes {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", c.Action, c.Kind, c.Name, strings.Join(c.Fields, " "))))
			if c.Err != nil {
				t.Errorf("%s: %v", c.Name, c.Err)
			}
		}
		return strings.Join(all, ", ")
	}
	dry := control.ApplyOptions{DryRun: true}
	one, two := document("one", `{"bare":true,"views":["one"]}`), document("two", `{"bare":true,"views":["two"]}`)
	if got := apply(dry, one, two); got != "create device one, create device two" {
		t.Error(got)
	}
	if has, did := y.views.seen(); has != "" || did != "" {
		t.Errorf("a plan did %q", did)
	}
	if got := apply(control.ApplyOptions{}, one, two); got != "create device one, create device two" {
		t.Error(got)
	}
	changed := document("two", `{"bare":true,"views":["second"]}`)
	if got := apply(dry, one, changed); got != "unchanged device one, update device two /config" {
		t.Error(got)
	}
	yard := json.RawMessage(`{"kind":"connector","name":"yard","category":"telemetry","provider_type":"factory"}`)
	if got := apply(control.ApplyOptions{DryRun: true, Prune: true}, yard, one); !strings.HasSuffix(got, "unchanged device one, delete device two") {
		t.Error(got)
	}
	if has, _ := y.views.seen(); has != "/views/one /views/two" {
		t.Errorf("has %q", has)
	}
}
