package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

type typeConverterPut struct {
	TypePath

	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read, or * for whichever there is, if any"`
	Body    spec.Converter
}

type typeConverterDelete struct {
	TypePath

	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read, or *"`
}

type typeConverterOutput struct {
	ETag string `header:"ETag"`
	Body client.TypeConverter
}

func typeConverterAnswer(c control.TypeConverter, err error) (*typeConverterOutput, error) {
	if err != nil {
		return nil, err
	}
	return &typeConverterOutput{ETag: etag(c.Revision), Body: client.TypeConverter{
		Converter: c.Converter, Category: c.Category, ProviderType: c.ProviderType, Revision: c.Revision,
	}}, nil
}

type previewInput struct {
	Caller
	Body client.Preview
}

func (s *Server) converterRoutes() {
	tags := []string{"converters"}
	const path = "/api/types/{category}/{provider_type}/converter"
	register(s, huma.Operation{
		OperationID: "get-type-converter", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "Show the converter of a type's connectors that have none of their own",
	}, func(ctx context.Context, in *TypePath) (*typeConverterOutput, error) {
		return typeConverterAnswer(in.tenant.TypeConverter(ctx, in.Category, in.ProviderType))
	})
	register(s, huma.Operation{
		OperationID: "put-type-converter", Method: http.MethodPut, Path: path, Tags: tags,
		Summary: "Give a type's connectors that have none of their own a converter; those that run take it between two steps",
	}, func(ctx context.Context, in *typeConverterPut) (*typeConverterOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return typeConverterAnswer(in.tenant.SetTypeConverter(ctx, in.Category, in.ProviderType, in.Body, revision))
	})
	register(s, huma.Operation{
		OperationID: "delete-type-converter", Method: http.MethodDelete, Path: path, Tags: tags,
		Summary: "Take a type's converter away", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *typeConverterDelete) (*nothing, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return nil, in.tenant.RemoveTypeConverter(ctx, in.Category, in.ProviderType, revision)
	})
	register(s, huma.Operation{
		OperationID: "preview-converter", Method: http.MethodPost, Path: "/api/converters/preview", Tags: tags,
		Summary: "Try a converter out on samples, beside the one that is there; nothing is kept or sent",
	}, func(ctx context.Context, in *previewInput) (*body[client.Previewed], error) {
		p, err := in.tenant.Preview(ctx, previewOf(&in.Body))
		if err != nil {
			return nil, err
		}
		return &body[client.Previewed]{previewForm(&p)}, nil
	})
}

func previewOf(b *client.Preview) control.PreviewInput {
	in := control.PreviewInput{Connector: b.Connector, Device: b.Device, Newest: b.Newest, Converter: b.Converter}
	for _, s := range b.Samples {
		r := abi.Record{Device: s.Device, ContentType: s.ContentType, Payload: s.PayloadBase64}
		if len(r.Payload) == 0 {
			r.Payload = []byte(s.Payload)
		}
		if !s.Time.IsZero() {
			r.Time = s.Time.UnixNano()
		}
		in.Samples = append(in.Samples, r)
	}
	for _, m := range b.Messages {
		in.Messages = append(in.Messages, sentOf(m, b.Device))
	}
	return in
}

func sentOf(m client.Sent, device string) abi.Message {
	types := map[string]abi.MessageType{
		"publish": abi.MessagePublish, "query": abi.MessageQuery, "rpc": abi.MessageRPC,
		"command": abi.MessageCommand, "attributes": abi.MessageAttributes,
	}
	is := abi.Message{Type: types[m.Type], Device: m.Device, Method: m.Method, ContentType: m.ContentType, Body: m.Data}
	if is.Device == "" {
		is.Device = device
	}
	if is.ContentType == "" {
		is.ContentType = "application/json"
	}
	return is
}

func previewForm(p *control.Preview) client.Previewed {
	form := client.Previewed{Before: p.Before, After: p.After}
	for i := range p.Samples {
		s := &p.Samples[i]
		form.Samples = append(form.Samples, client.PreviewedSample{
			From: s.From, Record: recordForm(&s.Record), Before: outcomeForm(s.Before), After: outcomeForm(s.After),
		})
	}
	for i := range p.Messages {
		m := &p.Messages[i]
		form.Messages = append(form.Messages, client.PreviewedMessage{
			Type: messageName(m.Message.Type), Device: m.Message.Device, Method: m.Message.Method,
			Before: outcomeForm(m.Before), After: outcomeForm(m.After),
		})
	}
	return form
}

func messageName(t abi.MessageType) string {
	if names := messageKinds(); int(t) < len(names) {
		return names[t].name
	}
	return ""
}

func outcomeForm(o *control.PreviewOutcome) *client.PreviewOutcome {
	if o == nil {
		return nil
	}
	form := &client.PreviewOutcome{Reasons: o.Reasons, Skipped: o.Skipped}
	for i := range o.Records {
		form.Records = append(form.Records, recordForm(&o.Records[i]))
	}
	for i := range o.Messages {
		form.Messages = append(form.Messages, sentForm(&o.Messages[i]))
	}
	return form
}

// recordForm is a record as the stream shows it, without what only records have
// that are kept.
func recordForm(r *abi.Record) json.RawMessage {
	kinds := map[abi.Kind]string{abi.KindTelemetry: "telemetry", abi.KindAttributes: "attributes", abi.KindEvent: "event"}
	at := time.Unix(0, r.Time).UTC()
	dst := append([]byte(`{"device":`), appendString(nil, r.Device)...)
	dst = appendString(append(dst, `,"kind":`...), kinds[r.Kind])
	dst = appendTime(append(dst, `,"time":`...), at)
	dst = appendPoints(dst, lastOfEach(r.Points), at)
	dst = appendHeaders(dst, r.Headers)
	dst = appendPayload(dst, r.ContentType, r.Payload)
	return append(dst, '}')
}

// sentForm is a message as a module would get it.
func sentForm(m *abi.Message) json.RawMessage {
	dst := append([]byte(`{"type":`), appendString(nil, messageName(m.Type))...)
	dst = appendString(append(dst, `,"device":`...), m.Device)
	if m.Method != "" {
		dst = appendString(append(dst, `,"method":`...), m.Method)
	}
	dst = appendHeaders(dst, m.Headers)
	dst = appendPayload(dst, m.ContentType, m.Body)
	return append(dst, '}')
}
