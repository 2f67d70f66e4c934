package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxCollected bounds the replies that are answered as one body, in bytes.
const maxCollected = 4 << 20

type messageInput struct {
	ConnectorPath
	Accept string `header:"Accept" doc:"application/x-ndjson or text/event-stream: the replies as they come; else all of them as JSON"`
	Body   client.Message
}

// messageKind is one type of message as a path of its own.
type messageKind struct{ name, summary string }

func messageKinds() []messageKind {
	return []messageKind{
		{"publish", "Publish to a connector or a device; there is no reply, and the answer comes when it was handled"},
		{"query", "Query a connector or a device"},
		{"rpc", "Call a procedure of a device, or of the connector"},
		{"command", "Send a command to a device, or to the connector"},
		{"attributes", "Tell a device new values of its attributes"},
	}
}

func (s *Server) messageRoutes() {
	for _, k := range messageKinds() {
		op := huma.Operation{
			OperationID: "send-" + k.name, Method: http.MethodPost, Path: "/api/connectors/{id}/" + k.name, Tags: []string{"messages"},
			Summary: k.summary, Metadata: showsSecret(), Responses: s.messageResponses(),
			Description: "The answer is one reply, or the list of them if there are several. With `Accept: application/x-ndjson` they come as lines, " +
				"with `Accept: text/event-stream` as events named reply, each as soon as it is there; an error is the last of them then. " +
				"A module's error is answered as a problem whose replies hold its code, template and parameters.",
		}
		register(s, op, func(ctx context.Context, in *messageInput) (*huma.StreamResponse, error) {
			return s.message(ctx, k.name, in)
		})
	}
	s.ticketRoutes()
}

// messageResponses are the good answers to a message.
func (s *Server) messageResponses() map[string]*huma.Response {
	reply := s.schema(reflect.TypeFor[client.Reply](), "Reply")
	return map[string]*huma.Response{
		"200": {Description: "The replies", Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{
				OneOf:       []*huma.Schema{reply, {Type: huma.TypeArray, Items: reply}},
				Description: "One reply, or the list of several",
			}},
			typeEvents: text("Events"), typeLines: text("Lines of JSON"),
		}},
		"202": {
			Description: "A ticket for the replies",
			Headers:     map[string]*huma.Header{"Location": textHeader("Of the ticket"), "ETag": textHeader("Of its revision")},
			Content:     map[string]*huma.MediaType{"application/json": {Schema: s.schema(reflect.TypeFor[client.Ticket](), "Ticket")}},
		},
	}
}

func (s *Server) message(ctx context.Context, kind string, in *messageInput) (*huma.StreamResponse, error) {
	m, err := messageOf(kind, &in.Body)
	if err != nil {
		return nil, err
	}
	if m.later {
		return s.postMessage(ctx, in, m)
	}
	e, err := in.tenant.Send(ctx, in.ID, m.input)
	if err != nil {
		return nil, err
	}
	if strings.Contains(in.Accept, typeLines) || strings.Contains(in.Accept, typeEvents) {
		return s.streamReplies(in.id, e, m), nil //nolint:contextcheck // a handler's context is its request's
	}
	defer e.Close()
	replies, err := collect(ctx, e, m)
	if err != nil {
		return nil, err
	}
	return answered(func(c echo.Context) error { return s.answerReplies(c, replies) }), nil //nolint:contextcheck // a handler's context is its request's
}

// answered is an answer that its own function writes.
func answered(write func(echo.Context) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_ = write(humaecho.Unwrap(ctx)) // a client that has gone is no fault
	}}
}

// ticketInput is a message whose caller does not wait.
func ticketInput(m message, b *client.Message) control.TicketInput {
	return control.TicketInput{
		MessageInput: m.input, Callback: b.Callback, Context: b.Context, Shape: m.shape,
		Form: func(t control.Ticket) (json.RawMessage, error) { return json.Marshal(ticketForm(t)) },
	}
}

// postMessage gives a ticket.
func (s *Server) postMessage(ctx context.Context, in *messageInput, m message) (*huma.StreamResponse, error) {
	t, err := in.tenant.Post(ctx, in.ID, ticketInput(m, &in.Body))
	if err != nil {
		return nil, err
	}
	return answered(func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Location", "/api/tickets/"+t.ID)
		h.Set("ETag", etag(t.Revision))
		return c.JSON(http.StatusAccepted, ticketForm(t))
	}), nil
}

// collected are the replies to one message, all of them.
type collected struct {
	replies []client.Reply
	failed  *fault.Fault // the last one says so; nil: it does not
}

// collect waits for all replies.
func collect(ctx context.Context, e *control.Exchange, m message) (all collected, err error) {
	size := 0
	for {
		r, err := e.Next(ctx)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if size += len(r.Body) + len(r.Metadata); size > maxCollected {
			return all, fault.New(fault.TooLarge, "the replies have more than %d bytes", maxCollected).
				WithHint("Ask for them as a stream, with Accept: %s.", typeLines)
		}
		all.replies = append(all.replies, replyForm(&r, m.shape))
		all.failed = r.Fault
	}
}

// answerReplies answers with all replies: the one, or the list. When the last
// one is an error, the answer is a problem.
func (s *Server) answerReplies(c echo.Context, all collected) error {
	if all.failed != nil {
		f := s.public(c, all.failed)
		p := problemOf(c, f)
		p.Replies = all.replies
		headersOf(c.Response().Header(), f)
		raw, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return c.Blob(p.Status, problemType, raw)
	}
	if len(all.replies) == 1 {
		return c.JSON(http.StatusOK, all.replies[0])
	}
	return c.JSON(http.StatusOK, all.replies)
}

// streamReplies sends each reply as it comes.
func (s *Server) streamReplies(tenant string, e *control.Exchange, m message) *huma.StreamResponse {
	return answered(func(c echo.Context) error {
		defer e.Close()
		leave, err := s.streams.enter(tenant)
		if err != nil {
			s.fail(err, c)
			return nil
		}
		defer leave()
		p, err := s.newPusher(c)
		if err != nil {
			return err // the reader has gone before the first byte
		}
		s.pump(c, &replyFeed{exchange: e, shape: m.shape}, p)
		return nil
	})
}
