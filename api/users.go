package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// UserPath names a user. It is exported as PageQuery is.
type UserPath struct {
	Caller
	Name string `path:"name" maxLength:"200" doc:"What they log in with"`
}

type userCreate struct {
	Caller
	Body client.UserInput
}

type userUpdate struct {
	UserPath
	IfMatch string `header:"If-Match" doc:"The ETag of the revision that was read, or *"`
	Body    client.UserChange
}

type userDelete struct {
	UserPath
	IfMatch string `header:"If-Match" doc:"The ETag of the revision that was read, or *"`
}

type userPassword struct {
	UserPath
	Body struct {
		Password string `json:"password" maxLength:"1024" example:"correct horse battery"`
	}
}

// tagged is an answer with the ETag of a revision.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func (s *Server) userRoutes() {
	tags := []string{"users"}
	register(s, huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: "/api/users", Tags: tags, Summary: "List the tenant's users, by name",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.User]], error) {
		list, next, err := in.tenant.UserList(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.User, len(list))
		for i := range list {
			items[i] = userForm(&list[i])
		}
		return &body[client.List[client.User]]{client.List[client.User]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-user", Method: http.MethodGet, Path: "/api/users/{name}", Tags: tags, Summary: "Show a user",
	}, func(ctx context.Context, in *UserPath) (*tagged[client.User], error) {
		return userAnswer(in.tenant.User(ctx, in.Name))
	})
	register(s, huma.Operation{
		OperationID: "create-user", Method: http.MethodPost, Path: "/api/users", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Make a user", Description: "They set their password by the link that is answered, within a day.", Metadata: showsSecret(),
	}, func(ctx context.Context, in *userCreate) (*body[client.NewUser], error) {
		user, link, expires, err := in.tenant.CreateUser(ctx, in.Body.Name, identity.Role(in.Body.Role))
		if err != nil {
			return nil, err
		}
		return &body[client.NewUser]{client.NewUser{User: userForm(&user), Invitation: linkForm(link, expires)}}, nil
	})
	s.userChanges(tags)
}

func (s *Server) userChanges(tags []string) {
	register(s, huma.Operation{
		OperationID: "update-user", Method: http.MethodPatch, Path: "/api/users/{name}", Tags: tags,
		Summary: "Give a user another role, or disable or enable them", Description: "Who is disabled is refused at once, whatever they came with.",
	}, func(ctx context.Context, in *userUpdate) (*tagged[client.User], error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		change := identity.UserChange{Disabled: in.Body.Disabled}
		if in.Body.Role != nil {
			role := identity.Role(*in.Body.Role)
			change.Role = &role
		}
		return userAnswer(in.tenant.ChangeUser(ctx, in.Name, change, revision))
	})
	register(s, huma.Operation{
		OperationID: "delete-user", Method: http.MethodDelete, Path: "/api/users/{name}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Forget a user, with their sessions and their own tokens",
	}, func(ctx context.Context, in *userDelete) (*nothing, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return nil, in.tenant.DeleteUser(ctx, in.Name, revision)
	})
	register(s, huma.Operation{
		OperationID: "link-user", Method: http.MethodPost, Path: "/api/users/{name}/link", Tags: tags, Metadata: showsSecret(),
		Summary: "Make a one-time link by which a user sets a password anew", Description: "An earlier one of theirs is void.",
	}, func(ctx context.Context, in *UserPath) (*body[client.Link], error) {
		link, expires, err := in.tenant.LinkUser(ctx, in.Name)
		if err != nil {
			return nil, err
		}
		return &body[client.Link]{linkForm(link, expires)}, nil
	})
	register(s, huma.Operation{
		OperationID: "set-user-password", Method: http.MethodPost, Path: "/api/users/{name}/password", Tags: tags,
		Summary: "Give a user a password, and end their sessions", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *userPassword) (*nothing, error) {
		return nil, in.tenant.SetUserPassword(ctx, in.Name, in.Body.Password)
	})
}

func userAnswer(user identity.User, err error) (*tagged[client.User], error) {
	if err != nil {
		return nil, err
	}
	return &tagged[client.User]{ETag: etag(user.Revision), Body: userForm(&user)}, nil
}

func userForm(u *identity.User) client.User {
	return client.User{
		ID: u.ID, Name: u.Name, Display: u.Display, Role: string(u.Role), Disabled: u.Disabled, PasswordSet: u.PasswordSet,
		Issuer: u.Issuer, Created: u.Created, Updated: u.Updated, Seen: u.Seen, Revision: u.Revision,
	}
}

func linkForm(secret string, expires time.Time) client.Link {
	return client.Link{Link: secret, Path: "/setup?link=" + url.QueryEscape(secret), Expires: expires}
}
