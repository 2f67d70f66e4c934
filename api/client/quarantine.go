package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Rewind asks for another place in the outbox.
type Rewind struct {
	To string `json:"to" minLength:"1" maxLength:"64" doc:"oldest, now, a time in RFC 3339, or the position of a record as the stream has it"`
}

// Rewound is where a connector that delivers goes on.
type Rewound struct {
	Block  uint64    `json:"block" doc:"The first that it is handed records of"`
	At     time.Time `json:"at,omitzero" doc:"When that came; none: it has not yet"`
	Oldest uint64    `json:"oldest" doc:"The oldest block that is kept"`
	Newest uint64    `json:"newest" doc:"The newest block"`
	Blocks uint64    `json:"blocks" doc:"How many blocks it has before it now"`
	Note   string    `json:"note,omitempty" doc:"What is not as it was asked for: records that are beyond retention"`
}

// Quarantined is an input or a record that could not be handled.
type Quarantined struct {
	Position  string    `json:"position" doc:"Its place in the outbox, by which it is named"`
	Connector string    `json:"connector" doc:"Id"`
	Lane      string    `json:"lane,omitempty"`
	Device    string    `json:"device,omitempty"`
	Of        string    `json:"of" enum:"event,record,delivery,message,unknown" doc:"What it is: an event that came in, a record that a converter refused, a record on its way out, a message's body"`
	Group     string    `json:"group,omitempty" doc:"Of an event: the group whose session it came from"`
	Reason    string    `json:"reason"`
	Summary   string    `json:"summary" doc:"Its content in words: a request's path and body, a record's key, device and values"`
	At        time.Time `json:"at" doc:"When it was put aside"`
	Bytes     int       `json:"bytes" doc:"Of its content"`
	Retryable bool      `json:"retryable" doc:"Whether it can be handed in again"`

	Input   []byte    `json:"input,omitempty" doc:"Its content as the group or the contract encodes it, whole and in Base64; not in lists"`
	Content []Content `json:"content,omitempty" doc:"Of an event of mqtt, kafka or hooks: what was sent, taken out of that; not in lists"`

	Record json.RawMessage `json:"record,omitempty" doc:"Of a record on its way out: the record as the stream shows it, without its position when its block is beyond retention; not in lists"`
	Source string          `json:"source,omitempty" doc:"Of a record on its way out: what the connector was called that it came from; not in lists"`
}

// Content is a message, a record of Kafka or a request that came in.
type Content struct {
	Topic       string          `json:"topic,omitempty" doc:"Of a message or a record of Kafka"`
	Partition   *uint32         `json:"partition,omitempty" doc:"Of a record of Kafka"`
	Offset      *uint64         `json:"offset,omitempty" doc:"Of a record of Kafka"`
	Method      string          `json:"method,omitempty" doc:"Of a request"`
	Path        string          `json:"path,omitempty" doc:"Of a request, below the connector's address"`
	Query       string          `json:"query,omitempty" doc:"Of a request, as it was sent"`
	ContentType string          `json:"content_type,omitempty" doc:"Of a message of MQTT 5"`
	Headers     []ContentHeader `json:"headers,omitempty" doc:"Of MQTT 5 the user properties"`
	Key         string          `json:"key,omitempty" doc:"Of a record of Kafka, if it is text"`
	KeyBytes    []byte          `json:"key_base64,omitempty" doc:"Of a record of Kafka, if it is none"`

	Payload      string `json:"payload,omitempty" doc:"Or the body of a request, or the value of a record: if it is text"`
	PayloadBytes []byte `json:"payload_base64,omitempty" doc:"The same, if it is no text"`
}

// ContentHeader is one of a Content's.
type ContentHeader struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty" doc:"If it is text"`
	Bytes []byte `json:"value_base64,omitempty" doc:"If it is none"`
}

// QuarantineList is a page of what could not be handled.
type QuarantineList struct {
	Items []Quarantined `json:"items"`
	Next  string        `json:"next,omitempty" doc:"Send it as after for the next page; none: this is the last"`
	Older uint64        `json:"older,omitempty" doc:"How many older ones are kept and not listed"`
}

// Retry names records that are to be handed in again.
type Retry struct {
	Positions []string `json:"positions" minItems:"1" maxItems:"256" doc:"Where they are in quarantine, in the order in which they are handed in"`
}

// MaxRetry is how many positions a Retry has at most.
const MaxRetry = 256

// Retried is what became of a record that was handed in again.
type Retried struct {
	From     string `json:"from" doc:"Where it was in quarantine"`
	State    string `json:"state" enum:"delivered,refused,waiting,dropped,failed" doc:"delivered or skipped; refused, and in quarantine once more; waiting behind others, which takes as long as those; dropped, because the connector stopped or changed; failed: it was not handed in"`
	Reason   string `json:"reason,omitempty" doc:"Why it was refused, or not handed in"`
	Position string `json:"position,omitempty" doc:"Of what was refused: where in quarantine it is then"`
	Code     string `json:"code,omitempty" doc:"Of what was not handed in: the code of the fault, as of a problem"`
	Hint     string `json:"hint,omitempty" doc:"Of what was not handed in: what can be done"`
}

// Err is why a record was not handed in; nil: it was.
func (r *Retried) Err() error {
	if r.Code == "" {
		return nil
	}
	return fault.New(kindOf(Problem{Code: r.Code}), "%s", r.Reason).WithHint("%s", r.Hint)
}

// RetriedList is what became of several.
type RetriedList struct {
	Retried []Retried `json:"retried" doc:"One for each position, in their order"`
}

// Dropped is what became of a quarantine.
type Dropped struct {
	Dropped int `json:"dropped" doc:"How many are not listed any more"`
}

// Rewind sets the place from which a connector is handed records; revision as in
// UpdateConnector.
func (c *Client) Rewind(ctx context.Context, id, to string, revision uint64) (v Rewound, err error) {
	raw, err := json.Marshal(Rewind{To: to})
	if err != nil {
		return v, fault.Wrap(fault.Usage, err, "rewind")
	}
	r := call{method: http.MethodPost, path: connectorPath(id, "/feed/rewind"), header: ifMatch(revision)}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &v)
	return v, err
}

// Quarantine lists what of a connector could not be handled, newest first, no more
// than limit; 0: all that is listed.
func (c *Client) Quarantine(ctx context.Context, id string, limit int) (list []Quarantined, older uint64, err error) {
	query := url.Values{}
	for {
		var page QuarantineList
		if err := c.do(ctx, call{method: http.MethodGet, path: connectorPath(id, "/quarantine"), query: query}, &page); err != nil {
			return nil, 0, err
		}
		list, older = append(list, page.Items...), page.Older
		if page.Next == "" || limit > 0 && len(list) >= limit {
			break
		}
		query.Set("after", page.Next)
	}
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list, older, nil
}

// QuarantinedRecord is one of them, whole.
func (c *Client) QuarantinedRecord(ctx context.Context, id, position string) (q Quarantined, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: quarantinePath(id, position)}, &q)
	return q, err
}

// RetryQuarantined hands one to its connector again.
func (c *Client) RetryQuarantined(ctx context.Context, id, position string) (r Retried, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: quarantinePath(id, position) + "/retry"}, &r)
	return r, err
}

// RetryQuarantine hands several to their connector again, MaxRetry at most: one that
// cannot be handed in stops no other.
func (c *Client) RetryQuarantine(ctx context.Context, id string, positions []string) ([]Retried, error) {
	raw, err := json.Marshal(Retry{Positions: positions})
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "retry")
	}
	r := call{method: http.MethodPost, path: connectorPath(id, "/quarantine/retry")}
	r.body, r.kind = jsonBody(raw)
	var list RetriedList
	err = c.do(ctx, r, &list)
	return list.Retried, err
}

// DropQuarantined says that one is done with.
func (c *Client) DropQuarantined(ctx context.Context, id, position string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: quarantinePath(id, position)}, nil)
}

// DropQuarantine says that all up to and with a position are done with.
func (c *Client) DropQuarantine(ctx context.Context, id, through string) (d Dropped, err error) {
	r := call{method: http.MethodDelete, path: connectorPath(id, "/quarantine"), query: url.Values{"through": {through}}}
	err = c.do(ctx, r, &d)
	return d, err
}

func quarantinePath(id, position string) string {
	return connectorPath(id, "/quarantine/"+url.PathEscape(position))
}
