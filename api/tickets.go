package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

// TicketPath names a ticket. It is exported as PageQuery is.
type TicketPath struct {
	Caller
	ID string `path:"id" maxLength:"64" doc:"Id"`
}

type ticketDelete struct {
	TicketPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read, or *"`
}

type ticketOutput struct {
	ETag string `header:"ETag"`
	Body client.Ticket
}

func (s *Server) ticketRoutes() {
	tags := []string{"messages"}
	register(s, huma.Operation{
		OperationID: "list-tickets", Method: http.MethodGet, Path: "/api/tickets", Tags: tags,
		Summary: "List the tickets of messages whose callers did not wait, the oldest first, without their replies",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.Ticket]], error) {
		list, next, err := in.tenant.Tickets(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Ticket, len(list))
		for i := range list {
			items[i] = ticketForm(list[i])
		}
		return &body[client.List[client.Ticket]]{client.List[client.Ticket]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-ticket", Method: http.MethodGet, Path: "/api/tickets/{id}", Tags: tags,
		Summary: "Show a ticket, with the replies that have come",
	}, func(ctx context.Context, in *TicketPath) (*ticketOutput, error) {
		t, err := in.tenant.Ticket(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &ticketOutput{ETag: etag(t.Revision), Body: ticketForm(t)}, nil
	})
	register(s, huma.Operation{
		OperationID: "cancel-ticket", Method: http.MethodDelete, Path: "/api/tickets/{id}", Tags: tags,
		Summary: "Give up a message that is pending, and forget its ticket", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *ticketDelete) (*nothing, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return nil, in.tenant.CancelTicket(ctx, in.ID, revision)
	})
}

// ticketForm is a ticket as the API serves it.
func ticketForm(t control.Ticket) client.Ticket {
	out := client.Ticket{
		ID: t.ID, ConnectorID: t.Connector, Connector: t.Name, Type: control.MessageTypes()[t.Type], Device: t.Device, Method: t.Method,
		State: string(t.State), Created: t.Created, Deadline: t.Deadline, Replies: make([]client.Reply, len(t.Replies)),
		Context: t.Context, Revision: t.Revision,
	}
	if !t.Ended.IsZero() {
		out.Ended, out.Expires = &t.Ended, &t.Expires
	}
	for i := range t.Replies {
		out.Replies[i] = replyForm(&t.Replies[i], t.Shape)
	}
	if c := t.Callback; c.URL != "" {
		out.Callback = &client.Callback{URL: c.URL, State: string(c.State), Tries: c.Tries, Error: c.Error}
	}
	return out
}
