package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Message is what a caller sends to a connector, or to a device behind it.
type Message struct {
	Device  string `json:"device,omitempty" maxLength:"256" doc:"Id of the device; none: the connector itself"`
	Method  string `json:"method,omitempty" maxLength:"255" doc:"Of an RPC, which needs one, or of a command"`
	Service string `json:"service,omitempty" maxLength:"255" doc:"Another name of method"`
	// ID is the caller's own, and comes back.
	ID            json.RawMessage   `json:"id,omitempty" doc:"The caller's own id of an RPC: any JSON, which comes back with the reply"`
	Data          json.RawMessage   `json:"data,omitempty" doc:"Any JSON: the parameters of a query, which are an object, of an RPC or of a command; attributes by name; what is published. For an RPC it may also be {id, method, params}. With a content type that is no JSON: its text"`
	Params        json.RawMessage   `json:"params,omitempty" doc:"Another name of data"`
	DataBase64    []byte            `json:"data_base64,omitempty" doc:"In place of data: any bytes"`
	ContentType   string            `json:"content_type,omitempty" maxLength:"255" doc:"Of the data; none: application/json, or application/octet-stream with data_base64"`
	Metadata      json.RawMessage   `json:"metadata,omitempty" doc:"The part of the protocol beside the data: any JSON"`
	ProtocolParts []ProtocolPart    `json:"protocol_parts,omitempty" maxItems:"32" doc:"In place of data and metadata: both as a list of parts with the names data and metadata. Replies then come in this form, too"`
	Headers       map[string]string `json:"headers,omitempty" doc:"Further texts by name"`
	OneWay        bool              `json:"one_way,omitempty" doc:"Asks for no reply to an RPC or a command: the answer comes when it was handled"`
	DryRun        bool              `json:"dry_run,omitempty" doc:"Asks what would be written, and writes nothing: the reply says it, with the bytes"`
	Timeout       *spec.Duration    `json:"timeout,omitempty" doc:"How long the replies may take, up to 5m; none: 10s. Then the server answers that there was none"`
	Wait          *bool             `json:"wait,omitempty" doc:"Whether the call waits for the replies; false: it gives a ticket at once. None: true, unless there is a callback"`
	Callback      string            `json:"callback,omitempty" maxLength:"2048" doc:"URL that the ticket is posted to when it has ended, as a CloudEvent"`
	Context       json.RawMessage   `json:"context,omitempty" doc:"Any JSON of the caller's own, which comes back with the ticket and its callback"`
}

// ProtocolPart is one part of a command or of its reply.
type ProtocolPart struct {
	Name  string          `json:"name" maxLength:"64" doc:"data, metadata, or any other, which only comes through as it is"`
	Value json.RawMessage `json:"value" doc:"Any JSON"`
}

// Reply is one reply to a message.
type Reply struct {
	Status        string          `json:"status" enum:"complete,partial,empty,error" doc:"partial: more are to come"`
	Code          uint32          `json:"code" doc:"As of HTTP: 200 complete, 206 partial, 204 empty, else of the error"`
	ID            json.RawMessage `json:"id,omitempty" doc:"Of the RPC, as its caller gave it"`
	Data          json.RawMessage `json:"data,omitempty" doc:"The body if it is JSON, or text as a string"`
	DataBase64    []byte          `json:"data_base64,omitempty" doc:"The body if it is neither"`
	ContentType   string          `json:"content_type,omitempty"`
	Metadata      json.RawMessage `json:"metadata,omitempty" doc:"The part of the protocol beside the data; a string in base64 if it is not text"`
	ProtocolParts []ProtocolPart  `json:"protocol_parts,omitempty" doc:"Data and metadata, if the message had them so"`
	Error         *ReplyError     `json:"error,omitempty"`
}

// ReplyError is why a message was not answered.
type ReplyError struct {
	Code       string   `json:"code" doc:"The module's own, or one of the codes of problems"`
	Template   string   `json:"template,omitempty" doc:"Text with {0}, {1} and so on for the parameters"`
	Parameters []string `json:"parameters"`
	Text       string   `json:"text" doc:"The template with the parameters in it"`
	Hint       string   `json:"hint,omitempty"`
}

// Ticket stands for a message whose caller did not wait.
type Ticket struct {
	ID          string          `json:"id"`
	ConnectorID string          `json:"connector_id"`
	Connector   string          `json:"connector" doc:"Its name"`
	Type        string          `json:"type" enum:"publish,query,rpc,command,attributes"`
	Device      string          `json:"device,omitempty"`
	Method      string          `json:"method,omitempty"`
	State       string          `json:"state" enum:"pending,done,failed,canceled"`
	Created     time.Time       `json:"created"`
	Deadline    time.Time       `json:"deadline" doc:"When the server answers in the connector's place"`
	Ended       *time.Time      `json:"ended,omitempty"`
	Expires     *time.Time      `json:"expires,omitempty" doc:"When the ticket is forgotten"`
	Replies     []Reply         `json:"replies"`
	Context     json.RawMessage `json:"context,omitempty"`
	Callback    *Callback       `json:"callback,omitempty"`
	Revision    uint64          `json:"revision" doc:"Counts what changes of it; the ETag"`
}

// Callback is what became of a ticket's callback.
type Callback struct {
	URL   string `json:"url"`
	State string `json:"state" enum:"waiting,delivered,failed"`
	Tries int    `json:"tries"`
	Error string `json:"error,omitempty" doc:"Of the last try, if it failed"`
}

// Send sends a message of a type ("publish", "query", "rpc", "command",
// "attributes") and calls each with every reply as it comes. An error reply is
// one of them: ReplyFault makes a fault of it.
func (c *Client) Send(ctx context.Context, kind, connector string, m Message, each func(Reply) error) error {
	r, err := messageCall(kind, connector, m)
	if err != nil {
		return err
	}
	r.header = http.Header{"Accept": {"application/x-ndjson"}}
	if c.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(c.cfg.Timeout, m.patience()))
		defer cancel()
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 16<<10), maxEvent)
	final := false
	for lines.Scan() {
		var reply Reply
		if err := json.Unmarshal(lines.Bytes(), &reply); err != nil {
			return fault.Wrap(fault.Internal, err, "the server's answer")
		}
		final = reply.Status != "partial"
		if err := each(reply); err != nil {
			return err
		}
	}
	err = lines.Err()
	if err == nil && !final {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return c.unreachable(ctx, err)
	}
	return nil
}

// patience is how long the server may take to say that there was no reply.
func (m *Message) patience() time.Duration {
	const usual, way = 10 * time.Second, 10 * time.Second
	if m.Timeout == nil {
		return usual + way
	}
	return time.Duration(*m.Timeout) + way
}

// SendLater sends a message and gives the ticket for its replies.
func (c *Client) SendLater(ctx context.Context, kind, connector string, m Message) (t Ticket, err error) {
	no := false
	m.Wait = &no
	r, err := messageCall(kind, connector, m)
	if err != nil {
		return t, err
	}
	err = c.do(ctx, r, &t)
	return t, err
}

func messageCall(kind, connector string, m Message) (r call, err error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return r, fault.Wrap(fault.Usage, err, "message")
	}
	r = call{method: http.MethodPost, path: connectorPath(connector, "/"+url.PathEscape(kind))}
	r.body, r.kind = jsonBody(raw)
	return r, nil
}

// Ticket shows a ticket.
func (c *Client) Ticket(ctx context.Context, id string) (t Ticket, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/tickets/" + url.PathEscape(id)}, &t)
	return t, err
}

// Tickets lists all tickets, without their replies.
func (c *Client) Tickets(ctx context.Context) ([]Ticket, error) {
	return all[Ticket](ctx, c, "/api/tickets", nil)
}

// CancelTicket gives up a message and forgets its ticket, whichever revision it
// has.
func (c *Client) CancelTicket(ctx context.Context, id string) error {
	r := call{method: http.MethodDelete, path: "/api/tickets/" + url.PathEscape(id), header: http.Header{"If-Match": {"*"}}}
	return c.do(ctx, r, nil)
}

// ReplyFault is the fault that an error reply tells of; nil for any other.
func ReplyFault(r Reply) error {
	if r.Status != "error" {
		return nil
	}
	e := r.Error
	if e == nil {
		return errors.New("an error reply without an error")
	}
	kind := fault.Guest
	for _, k := range fault.Kinds() {
		if k.Info().Code == e.Code {
			kind = k
		}
	}
	f := fault.New(kind, "%s", e.Text)
	if kind == fault.Guest && e.Code != kind.Info().Code {
		f.Text = e.Code + ": " + e.Text
	}
	f.Hint = e.Hint
	return f
}

// SocketRequest is what a client says on the WebSocket.
type SocketRequest struct {
	ID        string `json:"id" maxLength:"64" doc:"The client's own; what belongs to the request comes back with it"`
	Op        string `json:"op" enum:"publish,query,rpc,command,attributes,stream,cancel,ping"`
	Connector string `json:"connector,omitempty" doc:"Id or name"`
	// Message is of the ops that are a type of message.
	Message *Message `json:"message,omitempty"`
	// From, Topic and Format are of stream, as in the query of /api/stream.
	From   string `json:"from,omitempty" doc:"Of stream: a position behind which to start, start, or now; none: start"`
	Topic  string `json:"topic,omitempty" doc:"Of stream: only the events of one connector, /sources/ and its name"`
	Format string `json:"format,omitempty" doc:"Of stream: record or cloudevents; none: record"`
}

// SocketEvent is what the server says on the WebSocket.
type SocketEvent struct {
	// Op is hello, reply, ticket, record, problem, pong, end, or notice: why the
	// server closes the connection.
	Op      string          `json:"op" enum:"hello,reply,ticket,record,problem,pong,end,notice"`
	ID      string          `json:"id,omitempty" doc:"Of the request"`
	Final   bool            `json:"final,omitempty" doc:"Whether nothing comes behind this for the request"`
	Version string          `json:"version,omitempty" doc:"Of the server, in hello"`
	Reply   *Reply          `json:"reply,omitempty"`
	Ticket  *Ticket         `json:"ticket,omitempty"`
	Record  json.RawMessage `json:"record,omitempty" doc:"A record of the stream, or a CloudEvent"`
	Problem *Problem        `json:"problem,omitempty"`
}
