package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

// SecretPath names a secret. It is exported as PageQuery is.
type SecretPath struct {
	Caller
	Name string `path:"name" maxLength:"256" doc:"Name: letters, digits and . _ -"`
}

type secretList struct{ PageQuery }

type secretPut struct {
	SecretPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read, or * for whichever there is, if any"`
	Body    client.SecretInput
}

type secretDelete struct {
	SecretPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read, or *"`
}

// secretOutput is what may be known of a secret, with its revision.
type secretOutput struct {
	ETag string `header:"ETag"`
	Body client.Secret
}

func secretAnswer(v control.SecretView, err error) (*secretOutput, error) {
	if err != nil {
		return nil, err
	}
	return &secretOutput{ETag: etag(v.Revision), Body: secretForm(v)}, nil
}

func secretForm(v control.SecretView) client.Secret {
	return client.Secret{
		Name: v.Name, Set: v.Set, UpdatedAt: v.UpdatedAt, Fingerprint: v.Fingerprint, Revision: v.Revision,
		UsedBy: v.UsedBy, Warnings: v.Warnings,
	}
}

func (s *Server) secretRoutes() {
	tags := []string{"secrets"}
	register(s, huma.Operation{
		OperationID: "list-secrets", Method: http.MethodGet, Path: "/api/secrets", Tags: tags,
		Summary: "List what may be known of secrets, by name: never a value",
	}, func(ctx context.Context, in *secretList) (*body[client.List[client.Secret]], error) {
		list, next, err := in.tenant.Secrets(ctx, in.page())
		if err != nil {
			return nil, err
		}
		out := client.List[client.Secret]{Items: make([]client.Secret, len(list)), Next: next}
		for i := range list {
			out.Items[i] = secretForm(list[i])
		}
		return &body[client.List[client.Secret]]{out}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-secret", Method: http.MethodGet, Path: "/api/secrets/{name}", Tags: tags,
		Summary: "Show what may be known of a secret, and who names it: never its value",
	}, func(ctx context.Context, in *SecretPath) (*secretOutput, error) {
		return secretAnswer(in.tenant.Secret(ctx, in.Name))
	})
	register(s, huma.Operation{
		OperationID: "put-secret", Method: http.MethodPut, Path: "/api/secrets/{name}", Tags: tags,
		Summary:     "Set a secret, which connectors name as secret://name",
		Description: "The value is write-only: no answer, log or event has it. Whatever names the secret uses the new value from now on.",
	}, func(ctx context.Context, in *secretPut) (*secretOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return secretAnswer(in.tenant.SetSecret(ctx, in.Name, []byte(in.Body.Value), revision))
	})
	register(s, huma.Operation{
		OperationID: "delete-secret", Method: http.MethodDelete, Path: "/api/secrets/{name}", Tags: tags,
		Summary: "Forget a secret that no connector names", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *secretDelete) (*nothing, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return nil, in.tenant.DeleteSecret(ctx, in.Name, revision)
	})
}
