package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TenantPath names a tenant. It is exported as PageQuery is.
type TenantPath struct {
	Caller
	ID string `path:"tenant" maxLength:"200" doc:"Id of the tenant"`
}

type tenantCreate struct {
	Caller
	Body client.TenantInput
}

type ceilingUpdate struct {
	TenantPath
	IfMatch string `header:"If-Match" doc:"The ETag of the revision that was read, or *"`
	Body    spec.Ceiling
}

type tenantUser struct {
	TenantPath
	Body client.UserInput
}

type tenantDelete struct {
	TenantPath
	IfMatch string `header:"If-Match" doc:"The ETag of the revision that was read, or *"`
}

func (s *Server) tenantRoutes() {
	tags := []string{"tenants"}
	const whose = "For administrators of the tenant that operates the server."
	register(s, huma.Operation{
		OperationID: "list-tenants", Method: http.MethodGet, Path: "/api/tenants", Tags: tags, Summary: "List all tenants", Description: whose,
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.Tenant]], error) {
		list, next, err := in.tenant.TenantList(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Tenant, len(list))
		for i := range list {
			items[i] = tenantForm(&list[i])
		}
		return &body[client.List[client.Tenant]]{client.List[client.Tenant]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-tenant", Method: http.MethodGet, Path: "/api/tenants/{tenant}", Tags: tags,
		Summary: "Show a tenant with what it has", Description: whose,
	}, func(ctx context.Context, in *TenantPath) (*tagged[client.Tenant], error) {
		return tenantAnswer(in.tenant.ShowTenant(ctx, in.ID))
	})
	register(s, huma.Operation{
		OperationID: "create-tenant", Method: http.MethodPost, Path: "/api/tenants", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Make a tenant", Description: whose,
	}, func(ctx context.Context, in *tenantCreate) (*tagged[client.Tenant], error) {
		return tenantAnswer(in.tenant.CreateTenant(ctx, in.Body.ID, in.Body.Ceiling))
	})
	register(s, huma.Operation{
		OperationID: "set-ceiling", Method: http.MethodPut, Path: "/api/tenants/{tenant}/ceiling", Tags: tags,
		Summary: "Say what a tenant may have, and what its users may grant",
		Description: whose + " What is absent is the server's default. Guests that run keep the limits that they were started with; " +
			"what all of the tenant's have together counts at once.",
	}, func(ctx context.Context, in *ceilingUpdate) (*tagged[client.Tenant], error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return tenantAnswer(in.tenant.SetCeiling(ctx, in.ID, in.Body, revision))
	})
	register(s, huma.Operation{
		OperationID: "invite-user", Method: http.MethodPost, Path: "/api/tenants/{tenant}/users", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Make a user of a tenant, such as its first administrator", Description: whose, Metadata: showsSecret(),
	}, func(ctx context.Context, in *tenantUser) (*body[client.NewUser], error) {
		user, link, expires, err := in.tenant.InviteUser(ctx, in.ID, in.Body.Name, identity.Role(in.Body.Role))
		if err != nil {
			return nil, err
		}
		return &body[client.NewUser]{client.NewUser{User: userForm(&user), Invitation: linkForm(link, expires)}}, nil
	})
	register(s, huma.Operation{
		OperationID: "delete-tenant", Method: http.MethodDelete, Path: "/api/tenants/{tenant}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Stop a tenant and remove all that it has", Description: whose,
	}, func(ctx context.Context, in *tenantDelete) (*nothing, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return nil, in.tenant.DeleteTenant(ctx, in.ID, revision)
	})
}

func tenantAnswer(v control.TenantView, err error) (*tagged[client.Tenant], error) {
	if err != nil {
		return nil, err
	}
	t := tenantForm(&v)
	t.Connectors, t.Modules, t.Users, t.HeldBytes = &v.Connectors, &v.Modules, &v.Users, &v.HeldBytes
	return &tagged[client.Tenant]{ETag: etag(v.Revision), Body: t}, nil
}

func tenantForm(v *control.TenantView) client.Tenant {
	return client.Tenant{ID: v.ID, Created: v.Created, Operator: v.Operator, Ceiling: v.Ceiling, Revision: v.Revision}
}
