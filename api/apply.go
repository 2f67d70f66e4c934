package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

// anyDocument is a document as it was sent: what its fields are depends on its
// kind.
type anyDocument json.RawMessage

// UnmarshalJSON keeps what is there.
func (d *anyDocument) UnmarshalJSON(raw []byte) error {
	*d = append((*d)[:0], raw...)
	return nil
}

// MarshalJSON gives it back.
func (d anyDocument) MarshalJSON() ([]byte, error) { return d, nil }

// Schema is huma's way to ask for it.
func (anyDocument) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Description: "kind is connector, category, secret or device; the other fields are those of such a thing, name among them. A secret has no more than a name. A device is deployed: it has the fields of a deployment's document, with its id.",
	}
}

// documents are those of a request or of an answer.
type documents struct {
	Documents []anyDocument `json:"documents" maxItems:"1000" doc:"Each with its kind and its name"`
}

type applyInput struct {
	Caller
	DryRun bool `query:"dry_run" doc:"Only say what would change"`
	Prune  bool `query:"prune" doc:"Delete the connectors and the tenant's own categories that no document is of"`
	Body   documents
}

func (s *Server) applyRoutes() {
	register(s, huma.Operation{
		OperationID: "apply-documents", Method: http.MethodPost, Path: "/api/apply", Tags: []string{"desired state"},
		Summary: "Make documents true, one after the other",
		Description: "A connector's document is all that is set of it, but that a secret stays set where the document has its row, or " +
			"`{\"set\": true}` in its place, without a value, and that is_enabled and is_default stay as they are where it does not say. " +
			"Documents that cannot be read change nothing. What fails afterwards is told in the plan, and the rest goes on.",
	}, func(ctx context.Context, in *applyInput) (*body[client.Plan], error) {
		docs := make([]json.RawMessage, len(in.Body.Documents))
		for i, d := range in.Body.Documents {
			docs[i] = json.RawMessage(d)
		}
		p, err := in.tenant.Apply(ctx, docs, control.ApplyOptions{DryRun: in.DryRun, Prune: in.Prune})
		if err != nil {
			return nil, err
		}
		return &body[client.Plan]{PlanForm(p)}, nil
	})
	register(s, huma.Operation{
		OperationID: "export-documents", Method: http.MethodGet, Path: "/api/export", Tags: []string{"desired state"},
		Summary:     "Show the desired state as documents that can be applied",
		Description: "The tenant's own categories, the names of its secrets, and its connectors. No secret's value is among them.",
	}, func(ctx context.Context, in *Caller) (*body[documents], error) {
		docs, err := in.tenant.Export(ctx)
		if err != nil {
			return nil, err
		}
		out := documents{Documents: make([]anyDocument, len(docs))}
		for i, d := range docs {
			out.Documents[i] = anyDocument(d)
		}
		return &body[documents]{out}, nil
	})
}

// PlanForm is a plan as the API serves it.
func PlanForm(p control.Plan) client.Plan {
	out := client.Plan{DryRun: p.DryRun, Changes: make([]client.Change, len(p.Changes))}
	for i, c := range p.Changes {
		change := client.Change{
			Kind: c.Kind, Name: c.Name, ID: c.ID, Document: c.Document, Action: string(c.Action),
			Fields: append([]string{}, c.Fields...), Cost: string(c.Cost), Warnings: c.Warnings,
		}
		if c.Action != control.ActionUnchanged {
			out.Changed++
		}
		if c.Err != nil {
			out.Failed++
			change.Problem = &client.ChangeProblem{Code: c.Err.Kind.String(), Detail: c.Err.Text, Hint: c.Err.Advice(), Errors: c.Err.Fields}
		}
		out.Changes[i] = change
	}
	return out
}
