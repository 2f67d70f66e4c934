package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
)

// TypeConverter is the converter of the connectors of a type that have none of
// their own.
type TypeConverter struct {
	spec.Converter

	Category     string `json:"category"`
	ProviderType string `json:"provider_type"`
	Revision     uint64 `json:"revision" doc:"Counts changes; the ETag"`
}

// Preview says which converter is tried out on what.
type Preview struct {
	Connector string          `json:"connector,omitempty" maxLength:"255" doc:"Id or name of the connector whose converter it is; none: nobody's"`
	Device    string          `json:"device,omitempty" maxLength:"256" doc:"Id of the device whose converter it is, if it has one of its own; also the device of samples that name none"`
	Converter *spec.Converter `json:"converter,omitempty" doc:"Tried out in the place of the one that is there; none: only that is. Secrets in its config have to be given"`
	Samples   []PreviewSample `json:"samples,omitempty" maxItems:"64" doc:"Records as a module makes them"`
	Messages  []Sent          `json:"messages,omitempty" maxItems:"64" doc:"What is sent to a device"`
	Newest    int             `json:"newest,omitempty" minimum:"0" maximum:"64" doc:"Try out so many of the connector's newest records, too: those that came to its converter, and those in quarantine"`
}

// PreviewSample is one record.
type PreviewSample struct {
	Device        string    `json:"device,omitempty" maxLength:"256"`
	ContentType   string    `json:"content_type,omitempty" maxLength:"255"`
	Payload       string    `json:"payload,omitempty" doc:"Text; or payload_base64"`
	PayloadBase64 []byte    `json:"payload_base64,omitempty" doc:"Any bytes"`
	Time          time.Time `json:"time,omitzero" doc:"None: now"`
}

// Sent is one message.
type Sent struct {
	Type        string          `json:"type" enum:"publish,query,rpc,command,attributes"`
	Device      string          `json:"device,omitempty" maxLength:"256"`
	Method      string          `json:"method,omitempty" maxLength:"255"`
	ContentType string          `json:"content_type,omitempty" maxLength:"255" doc:"None: application/json"`
	Data        json.RawMessage `json:"data,omitempty" doc:"Any JSON"`
}

// Previewed is what became of it all.
type Previewed struct {
	Samples  []PreviewedSample  `json:"samples,omitempty"`
	Messages []PreviewedMessage `json:"messages,omitempty"`
	Before   []string           `json:"before_log,omitempty" doc:"What the converter that is there had to say"`
	After    []string           `json:"after_log,omitempty" doc:"What the other one had to say"`
}

// PreviewedSample is one record and what became of it.
type PreviewedSample struct {
	From   string          `json:"from" enum:"given,captured,quarantine"`
	Record json.RawMessage `json:"record" doc:"As the stream shows records"`
	Before *PreviewOutcome `json:"before,omitempty" doc:"By the converter that is there"`
	After  *PreviewOutcome `json:"after,omitempty" doc:"By the one that is tried out"`
}

// PreviewedMessage is one message and what became of it.
type PreviewedMessage struct {
	Type   string          `json:"type"`
	Device string          `json:"device,omitempty"`
	Method string          `json:"method,omitempty"`
	Before *PreviewOutcome `json:"before,omitempty" doc:"By the converter that is there"`
	After  *PreviewOutcome `json:"after,omitempty" doc:"By the one that is tried out"`
}

// PreviewOutcome is what a converter makes of one sample.
type PreviewOutcome struct {
	Records  []json.RawMessage `json:"records,omitempty" doc:"As the stream shows records"`
	Messages []json.RawMessage `json:"messages,omitempty" doc:"What the connector's module would get"`
	Reasons  []string          `json:"reasons,omitempty" doc:"Why something of it would be in quarantine, or be refused"`
	Skipped  uint64            `json:"skipped,omitempty" doc:"Records that would be dropped and counted"`
}

func typePath(category, providerType string) string {
	return "/api/types/" + url.PathEscape(category) + "/" + url.PathEscape(providerType) + "/converter"
}

// TypeConverter is the converter of a type.
func (c *Client) TypeConverter(ctx context.Context, category, providerType string) (v TypeConverter, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: typePath(category, providerType)}, &v)
	return v, err
}

// SetTypeConverter gives a type a converter, whichever it had.
func (c *Client) SetTypeConverter(ctx context.Context, category, providerType string, converter spec.Converter) (v TypeConverter, err error) {
	raw, err := json.Marshal(converter)
	if err != nil {
		return v, err
	}
	r := call{method: http.MethodPut, path: typePath(category, providerType), header: http.Header{"If-Match": {"*"}}}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &v)
	return v, err
}

// RemoveTypeConverter takes a type's converter away.
func (c *Client) RemoveTypeConverter(ctx context.Context, category, providerType string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: typePath(category, providerType), header: http.Header{"If-Match": {"*"}}}, nil)
}

// Preview tries converters out on samples.
func (c *Client) Preview(ctx context.Context, p Preview) (v Previewed, err error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return v, err
	}
	r := call{method: http.MethodPost, path: "/api/converters/preview"}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &v)
	return v, err
}
