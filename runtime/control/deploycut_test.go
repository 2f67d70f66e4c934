package control_test

import (
	"context"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
)

// cut is a maker whose process ends in the middle of making.
type cut struct{ deploy.Maker }

func (cut) Make(_ context.Context, r deploy.Resource) (deploy.Result, error) {
	return deploy.Result{}, fault.New(fault.Internal, "killed while it made %s", r.Name)
}

// TestCutOffDeployment: a deploy that a kill has cut off shows as failed, lists
// what may be there, and goes on from there.
func TestCutOffDeployment(t *testing.T) {
	y := newYard(t)
	v := y.deploy(`{"bare":true,"views":["left"]}`)
	space, err := y.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	url := y.views.URL + "/views/right"
	l, err := deploy.Begin(t.Context(), space, cut{}, v.Deployment, deploy.Deploying)
	if err != nil {
		t.Fatal(err)
	}
	ask := (&abi.DeployHTTP{
		Name: "right", Create: &abi.HTTPRequest{Method: "PUT", URL: url}, Inverse: &abi.HTTPRequest{Method: "DELETE", URL: url},
	}).Append(nil)
	if _, _, err := l.Ensure(t.Context(), deploy.KindHTTP, "right", ask); err == nil {
		t.Fatal("it was made")
	}
	v, err = y.Deployment(t.Context(), "press")
	if err != nil || v.State != deploy.Failed || !v.Interrupted || v.Problem == nil || made(v) != "http left made, http right intended" {
		t.Fatalf("%s %s %+v, %v", v.State, made(v), v.Problem, err)
	}
	orphans, _, err := y.Orphans(t.Context(), control.Page{})
	if err != nil || len(orphans) != 1 || orphans[0].Name != "right" {
		t.Errorf("%+v, %v", orphans, err)
	}
	y.views.seen()
	if v, err = y.RetryDeployment(t.Context(), "press"); err != nil || made(v) != "http left made" || v.State != deploy.Deployed {
		t.Fatalf("%s %s, %v", v.State, made(v), err)
	}
	if _, did := y.views.seen(); did != "DELETE /views/right" {
		t.Errorf("did %q", did)
	}
}
