package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

type feedRewind struct {
	ConnectorPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the connector's revision that was read; none: whichever there is"`
	Body    client.Rewind
}

type quarantineList struct {
	PageQuery
	ID string `path:"id" maxLength:"1024" doc:"Id or name"`
}

type quarantineDrop struct {
	ConnectorPath
	Through string `query:"through" required:"true" minLength:"3" maxLength:"64" doc:"Position of the last that is dropped, with all that is older"`
}

type quarantinePath struct {
	ConnectorPath
	Position string `path:"position" maxLength:"64" doc:"Position, as the list has it"`
}

type quarantineRetry struct {
	ConnectorPath
	Body client.Retry
}

// quarantineRoutes are what an operator does about what was delivered, or could
// not be.
func (s *Server) quarantineRoutes() {
	op := func(method, id, path, summary, description string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/api/connectors/{id}" + path, Tags: []string{"connectors"},
			Summary: summary, Description: description,
		}
	}
	register(s, op(http.MethodPost, "rewind-connector-feed", "/feed/rewind", "Set the place from which a connector is handed records",
		"For connectors that deliver. One that runs goes on from there at once; its records come to it once more, or are passed over. "+
			"While a record is held up, what the connector has sent of the records behind it is not sent again."),
		func(ctx context.Context, in *feedRewind) (*body[client.Rewound], error) {
			revision, err := parseRevision(in.IfMatch)
			if err != nil {
				return nil, err
			}
			r, err := in.tenant.Rewind(ctx, in.ID, in.Body.To, revision)
			if err != nil {
				return nil, err
			}
			return &body[client.Rewound]{client.Rewound{Block: r.Block, At: r.At, Oldest: r.Oldest, Newest: r.Newest, Blocks: r.Blocks, Note: r.Note}}, nil
		})
	register(s, op(http.MethodGet, "list-quarantine", "/quarantine", "List what of a connector could not be handled, newest first",
		"It is kept as long as the outbox keeps its block, and listed until it is dropped or was handed in again; of each connector the newest 1024."),
		s.listQuarantine)
	register(s, op(http.MethodGet, "get-quarantined", "/quarantine/{position}", "Show something that could not be handled, whole", ""),
		func(ctx context.Context, in *quarantinePath) (*body[client.Quarantined], error) {
			q, err := in.tenant.QuarantinedRecord(ctx, in.ID, in.Position)
			if err != nil {
				return nil, err
			}
			return &body[client.Quarantined]{quarantinedForm(&q)}, nil
		})
	register(s, op(http.MethodPost, "retry-quarantined", "/quarantine/{position}/retry", "Hand a record that could not be delivered to its connector again",
		"For records on their way out. The answer waits a few seconds for what becomes of it."),
		func(ctx context.Context, in *quarantinePath) (*body[client.Retried], error) {
			r, err := in.tenant.RetryQuarantined(ctx, in.ID, in.Position)
			if err != nil {
				return nil, err
			}
			return &body[client.Retried]{retriedForm(&r)}, nil
		})
	register(s, op(http.MethodPost, "retry-quarantine", "/quarantine/retry", "Hand several records that could not be delivered to their connector again",
		"As with one; the answer waits a few seconds for all together. One that cannot be handed in says why, and stops no other."),
		func(ctx context.Context, in *quarantineRetry) (*body[client.RetriedList], error) {
			all, err := in.tenant.RetryQuarantine(ctx, in.ID, in.Body.Positions)
			if err != nil {
				return nil, err
			}
			list := client.RetriedList{Retried: make([]client.Retried, len(all))}
			for i := range all {
				list.Retried[i] = retriedForm(&all[i])
			}
			return &body[client.RetriedList]{list}, nil
		})
	drop := op(http.MethodDelete, "drop-quarantined", "/quarantine/{position}", "Say that something in quarantine is done with", "")
	drop.DefaultStatus = http.StatusNoContent
	register(s, drop, func(ctx context.Context, in *quarantinePath) (*nothing, error) {
		return nil, in.tenant.DropQuarantined(ctx, in.ID, in.Position)
	})
	register(s, op(http.MethodDelete, "drop-quarantine", "/quarantine", "Say that all in quarantine up to a position is done with", ""),
		func(ctx context.Context, in *quarantineDrop) (*body[client.Dropped], error) {
			n, err := in.tenant.DropQuarantine(ctx, in.ID, in.Through)
			if err != nil {
				return nil, err
			}
			return &body[client.Dropped]{client.Dropped{Dropped: n}}, nil
		})
}

func (s *Server) listQuarantine(ctx context.Context, in *quarantineList) (*body[client.QuarantineList], error) {
	list, next, older, err := in.tenant.Quarantine(ctx, in.ID, in.page())
	if err != nil {
		return nil, err
	}
	out := client.QuarantineList{Items: []client.Quarantined{}, Next: next, Older: older}
	for i := range list {
		out.Items = append(out.Items, quarantinedForm(&list[i]))
	}
	return &body[client.QuarantineList]{out}, nil
}

func quarantinedForm(q *control.Quarantined) client.Quarantined {
	form := client.Quarantined{
		Position: q.Position, Connector: q.Connector, Lane: q.Lane, Device: q.Device, Of: q.Of, Group: q.Group, Reason: q.Reason,
		Summary: q.Summary, At: q.At, Bytes: q.Bytes, Retryable: q.Retryable, Input: q.Input, Source: q.Source,
	}
	for i := range q.Content {
		form.Content = append(form.Content, contentForm(&q.Content[i]))
	}
	if q.Record != nil {
		form.Record = appendRecord(nil, q.Record)
	}
	return form
}

func retriedForm(r *control.Retried) client.Retried {
	form := client.Retried{From: r.From, State: r.State, Reason: r.Reason, Position: r.Position}
	if f := r.Fault; f != nil {
		form.Reason, form.Code, form.Hint = f.Text, f.Kind.String(), f.Hint
	}
	return form
}

func contentForm(c *control.Content) client.Content {
	form := client.Content{Topic: c.Topic, Method: c.Method, Path: c.Path, Query: c.Query, ContentType: c.ContentType}
	if c.Kafka != nil {
		form.Partition, form.Offset = &c.Kafka.Partition, &c.Kafka.Offset
	}
	form.Key, form.KeyBytes = textOrBytes(c.Key)
	form.Payload, form.PayloadBytes = textOrBytes(c.Payload)
	for _, h := range c.Headers {
		text, raw := textOrBytes(h.Value)
		form.Headers = append(form.Headers, client.ContentHeader{Name: h.Name, Value: text, Bytes: raw})
	}
	return form
}

// textOrBytes is data as text, if it reads as that.
func textOrBytes(data []byte) (text string, raw []byte) {
	if isText(data) {
		return string(data), nil
	}
	return "", data
}
