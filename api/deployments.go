package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
)

// DeploymentPath names a deployment. It is exported as PageQuery is.
type DeploymentPath struct {
	Caller
	ID string `path:"id" maxLength:"256" doc:"uuid or id of the device"`
}

// DeploymentTarget is a change of a deployment. It is exported as PageQuery is.
type DeploymentTarget struct {
	DeploymentPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read; *: whichever there is"`
}

type deploymentCreate struct {
	Caller
	Body client.DeviceDocument
}

type orphanDismiss struct {
	DeploymentTarget
	Number uint64 `path:"number" doc:"Number of the resource"`
}

type deploymentOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     client.Deployment
}

func deployed(v control.DeploymentView, err error) (*deploymentOutput, error) {
	if err != nil {
		return nil, err
	}
	return &deploymentOutput{ETag: etag(v.Revision), Body: deploymentForm(&v)}, nil
}

func (s *Server) deploymentRoutes() {
	tags := []string{"deployments"}
	register(s, huma.Operation{
		OperationID: "deploy-device", Method: http.MethodPost, Path: "/api/deployments", Tags: tags,
		Summary: "Deploy a device: have its type's module make what it needs",
		Description: "To deploy the same document again changes nothing. To deploy another one changes what is another, and takes down what is not " +
			"wanted any more. What fails is rolled back in reverse, whatever the module does; what could not be taken back is among the orphans.",
	}, func(ctx context.Context, in *deploymentCreate) (*deploymentOutput, error) {
		out, err := deployed(in.tenant.Deploy(ctx, control.DeviceDocument(in.Body)))
		if err == nil {
			out.Location = "/api/deployments/" + out.Body.UUID
		}
		return out, err
	})
	register(s, huma.Operation{
		OperationID: "list-deployments", Method: http.MethodGet, Path: "/api/deployments", Tags: tags, Summary: "List deployments, by uuid",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.Deployment]], error) {
		list, next, err := in.tenant.Deployments(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Deployment, len(list))
		for i := range list {
			items[i] = deploymentForm(&list[i])
		}
		return &body[client.List[client.Deployment]]{client.List[client.Deployment]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "list-orphans", Method: http.MethodGet, Path: "/api/deployments/orphans", Tags: tags,
		Summary: "List what may be there of all deployments and should not",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.DeploymentOrphan]], error) {
		list, next, err := in.tenant.Orphans(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.DeploymentOrphan, len(list))
		for i := range list {
			o := &list[i]
			items[i] = client.DeploymentOrphan{UUID: o.UUID, Device: o.Device, Connector: o.Connector, DeployedResource: resourceForm(o.Line())}
		}
		return &body[client.List[client.DeploymentOrphan]]{client.List[client.DeploymentOrphan]{Items: items, Next: next}}, nil
	})
	s.deploymentChanges(tags)
}

func (s *Server) deploymentChanges(tags []string) {
	register(s, huma.Operation{
		OperationID: "get-deployment", Method: http.MethodGet, Path: "/api/deployments/{id}", Tags: tags, Summary: "Show a deployment with its ledger",
	}, func(ctx context.Context, in *DeploymentPath) (*deploymentOutput, error) {
		return deployed(in.tenant.Deployment(ctx, in.ID))
	})
	register(s, huma.Operation{
		OperationID: "tear-down-device", Method: http.MethodDelete, Path: "/api/deployments/{id}", Tags: tags, DefaultStatus: http.StatusOK,
		Summary: "Tear a device down: take away what was made for it",
		Description: "The module's tear_down is called first, and then the ledger is walked in reverse, whatever came of that. What could not be taken " +
			"away is kept with the reason, to be tried again or dismissed; without any, nothing is left of the deployment.",
	}, func(ctx context.Context, in *DeploymentTarget) (*deploymentOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return deployed(in.tenant.TearDown(ctx, in.ID, revision))
	})
	register(s, huma.Operation{
		OperationID: "retry-deployment", Method: http.MethodPost, Path: "/api/deployments/{id}/retry", Tags: tags,
		Summary: "Try again what has failed: to deploy, or to take down what is left",
	}, func(ctx context.Context, in *DeploymentPath) (*deploymentOutput, error) {
		return deployed(in.tenant.RetryDeployment(ctx, in.ID))
	})
	register(s, huma.Operation{
		OperationID: "dismiss-orphan", Method: http.MethodDelete, Path: "/api/deployments/{id}/orphans/{number}", Tags: tags, DefaultStatus: http.StatusOK,
		Summary: "Forget an orphan that a person has seen to",
	}, func(ctx context.Context, in *orphanDismiss) (*deploymentOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return deployed(in.tenant.DismissOrphan(ctx, in.ID, in.Number, revision))
	})
}

func deploymentForm(v *control.DeploymentView) client.Deployment {
	d := client.Deployment{
		UUID: v.UUID, Device: v.Device, Name: v.Name, Category: v.Category, Type: v.Type, Connector: v.Connector,
		State: string(v.State), Running: v.Running, Changed: v.Changed, Interrupted: v.Interrupted,
		Resources: make([]client.DeployedResource, 0, len(v.Resources)), Answer: v.Answer, Document: v.Document,
		Created: v.Created, Updated: v.Updated, Revision: v.Revision,
	}
	if p := v.Problem; p != nil {
		d.Problem = &client.DeploymentProblem{Code: p.Code, Text: p.Text, Hint: p.Hint}
	}
	for _, line := range v.Lines() {
		d.Resources = append(d.Resources, resourceForm(line))
	}
	return d
}

func resourceForm(l control.DeployedLine) client.DeployedResource {
	return client.DeployedResource{
		Number: l.Number, Kind: l.Kind, Name: l.Name, Standing: l.Standing, ID: l.ID, Status: l.Status,
		Makes: requestLine(l.Makes), Unmakes: requestLine(l.Unmakes), Reason: l.Reason, At: l.At,
	}
}

// requestLine is a request by its method and URL: its headers and its body may be
// nobody's business.
func requestLine(q *abi.HTTPRequest) string {
	if q == nil {
		return ""
	}
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	return method + " " + q.URL
}
