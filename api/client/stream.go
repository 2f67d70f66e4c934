package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// How a stream behaves when the server is away.
const (
	// silence is how long a stream may say nothing: the server sends a comment
	// each 15 seconds.
	silence    = 45 * time.Second
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// StreamOptions says where a stream starts and what it holds.
type StreamOptions struct {
	From      string // a position, "start" or "now"; "": start
	Connector string // id or name; "": all
	Topic     string // "/sources/" and a connector's name: its events alone; "": all
	Format    string // "cloudevents": each Raw is a CloudEvent, and of the Record nothing else; "": record
	Until     string // "now": end behind the records that the server has now; "": go on
	// Lost is told when the connection broke and is made again; nil: nobody.
	Lost func(error)
}

// Stream calls each with every record from there on, until each fails or ctx
// ends, or the end that is set is reached. A connection that breaks is made again
// behind the last record; only a server that refuses, or cannot be reached at the
// very start, ends the stream.
func (c *Client) Stream(ctx context.Context, o StreamOptions, each func(Record) error) error {
	query := url.Values{}
	if o.From != "" {
		query.Set("from", o.From)
	}
	if o.Until != "" {
		query.Set("until", o.Until)
	}
	if o.Connector != "" {
		query.Set("connector", o.Connector)
	}
	if o.Topic != "" {
		query.Set("topic", o.Topic)
	}
	if o.Format != "" {
		query.Set("format", o.Format)
	}
	return c.follow(ctx, call{method: http.MethodGet, path: "/api/stream", query: query}, o.Lost, func(e event) error {
		if e.name != "record" {
			return nil
		}
		if o.Format == "cloudevents" {
			return each(Record{Raw: bytes.Clone(e.data)})
		}
		r, err := parseRecord(e.data)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "a record of the stream")
		}
		return each(r)
	})
}

// Logs gives the lines of a connector's log behind a sequence.
func (c *Client) Logs(ctx context.Context, connector string, after uint64) ([]LogLine, error) {
	var page List[LogLine]
	query := url.Values{"after": {strconv.FormatUint(after, 10)}}
	err := c.do(ctx, call{method: http.MethodGet, path: connectorPath(connector, "/logs"), query: query}, &page)
	return page.Items, err
}

// FollowLogs calls each with every line behind a sequence, as Stream does.
func (c *Client) FollowLogs(ctx context.Context, connector string, after uint64, lost func(error), each func(LogLine) error) error {
	query := url.Values{"follow": {"true"}, "after": {strconv.FormatUint(after, 10)}}
	r := call{method: http.MethodGet, path: connectorPath(connector, "/logs"), query: query}
	return c.follow(ctx, r, lost, func(e event) error {
		if e.name != "line" {
			return nil
		}
		var line LogLine
		if err := json.Unmarshal(e.data, &line); err != nil {
			return fault.Wrap(fault.Internal, err, "a line of the log")
		}
		return each(line)
	})
}

// follow keeps a stream of events open. It goes on behind the last event's id.
func (c *Client) follow(ctx context.Context, r call, lost func(error), each func(event) error) error {
	f := follower{client: c, call: r, each: each, wait: firstRetry}
	for {
		err := f.once(ctx)
		switch {
		case f.stop != nil:
			return f.stop
		case f.ended:
			return nil
		case ctx.Err() != nil:
			return fault.Of(ctx.Err())
		case !f.connected || !mayPass(err):
			return err
		}
		if lost != nil {
			lost(err)
		}
		if err := c.sleep(ctx, f.wait); err != nil {
			return err
		}
		f.wait = min(2*f.wait, lastRetry)
	}
}

// follower is the state of a stream across its connections.
type follower struct {
	client    *Client
	call      call
	each      func(event) error
	last      string // id of the last event
	wait      time.Duration
	connected bool  // once
	ended     bool  // the server says that there is no more
	stop      error // of each
}

// once reads one connection to its end; its error says how it ended.
func (f *follower) once(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(fault.New(fault.Unreachable, "the stream fell silent")) })
	defer quiet.Stop()

	r := f.call
	r.header = http.Header{"Accept": {"text/event-stream"}}
	if f.last != "" {
		r.header.Set("Last-Event-ID", f.last)
	}
	resp, err := f.client.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.connected = true
	stream := newEvents(resp.Body)
	for {
		e, err := stream.next(func() { quiet.Reset(silence) })
		if err != nil {
			return f.client.unreachable(context.WithoutCancel(ctx), err)
		}
		if e.name == "problem" {
			return ofProblem(e.data)
		}
		if e.name == "end" {
			f.ended = true
			return nil
		}
		if err := f.each(e); err != nil {
			f.stop = err
			return err
		}
		f.wait = firstRetry
		if e.id != "" {
			f.last = e.id
		}
	}
}

// mayPass reports whether the server may be back after a while.
func mayPass(err error) bool {
	return fault.Of(err).Kind.Info().Retry
}
