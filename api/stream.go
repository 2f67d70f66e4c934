package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (s *Server) streamRoutes() {
	s.echo.GET("/api/stream", s.authenticated(s.stream))
	s.echo.GET("/api/connectors/:id/logs", s.authenticated(s.logs))
	s.documentStream()
	s.documentLogs()
}

// stream sends the tenant's records, from any place that is still kept.
func (s *Server) stream(c echo.Context, t *control.Tenant) error {
	leave, err := s.streams.enter(identityOf(c).Tenant)
	if err != nil {
		return err
	}
	defer leave()
	o := control.StreamOptions{After: c.QueryParam("from"), Connector: c.QueryParam("connector"), Topic: c.QueryParam("topic")}
	if last := c.Request().Header.Get("Last-Event-ID"); last != "" {
		o.After = last
	}
	switch until := c.QueryParam("until"); until {
	case "":
	case "now":
		o.ToNow = true
	default:
		return fault.New(fault.Invalid, "until: %.40q is not now", until)
	}
	f, err := s.newRecordFeed(t, identityOf(c).Tenant, o, c.QueryParam("format"))
	if err != nil {
		return err
	}
	if err := f.open(c.Request().Context()); err != nil {
		return err
	}
	defer f.rest()
	p, err := s.newPusher(c)
	if err != nil {
		return nil // the reader has gone before the first byte
	}
	s.pump(c, f, p)
	return nil
}

// newRecordFeed is the tenant's records in one of their forms.
func (s *Server) newRecordFeed(t *control.Tenant, tenant string, o control.StreamOptions, format string) (*recordFeed, error) {
	if o.After == "start" {
		o.After = ""
	}
	f := &recordFeed{tenant: t, options: o, append: appendRecord, large: s.largeOf(tenant), close: s.close}
	switch format {
	case "", formatRecord:
	case formatCloudEvent:
		f.append, f.options.Topics = newCloudEvents(tenant).append, true
	default:
		return nil, fault.New(fault.Invalid, "format: %.40q is neither %s nor %s", format, formatRecord, formatCloudEvent)
	}
	return f, nil
}

// logs answers the lines that are kept, or follows them.
func (s *Server) logs(c echo.Context, t *control.Tenant) error {
	after, err := logPosition(c)
	if err != nil {
		return err
	}
	follow, err := flag(c, "follow")
	if err != nil {
		return err
	}
	most, err := lineLimit(c)
	if err != nil {
		return err
	}
	lines, err := t.Logs(c.Request().Context(), c.Param("id"), after)
	if err != nil {
		return err
	}
	defer s.close("log", lines)
	if !follow {
		return s.lines(c, lines, most)
	}
	leave, err := s.streams.enter(identityOf(c).Tenant)
	if err != nil {
		return err
	}
	defer leave()
	p, err := s.newPusher(c)
	if err != nil {
		return nil // the reader has gone before the first byte
	}
	s.pump(c, logFeed{lines}, p)
	return nil
}

// maxLines bounds one answer; whoever wants more asks behind the last.
const maxLines = 500

// lineLimit is how many lines are asked for at most.
func lineLimit(c echo.Context) (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return maxLines, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxLines {
		return 0, fault.New(fault.Invalid, "limit: %.20q is not 0 to %d", text, maxLines)
	}
	if n == 0 {
		n = maxLines
	}
	return n, nil
}

func (s *Server) lines(c echo.Context, from *control.Logs, most int) error {
	page := client.List[client.LogLine]{Items: []client.LogLine{}}
	for from.Pending() && len(page.Items) < most {
		line, err := from.Next(c.Request().Context())
		if err != nil {
			return err
		}
		page.Items = append(page.Items, client.LogLine(line))
	}
	if n := len(page.Items); n == most {
		page.Next = strconv.FormatUint(page.Items[n-1].Sequence, 10)
	}
	return c.JSON(http.StatusOK, page)
}

// logFeed is a log as it grows.
type logFeed struct{ *control.Logs }

func (f logFeed) pending() bool { return f.Pending() }

// rest keeps what there is: a line is short.
func (f logFeed) rest() {}

func (f logFeed) place() string { return "" }

func (f logFeed) push(ctx context.Context, p *pusher) (bool, error) {
	line, err := f.Next(ctx)
	if err != nil {
		return false, err
	}
	raw, err := json.Marshal(client.LogLine(line))
	if err != nil {
		return false, fault.Wrap(fault.Internal, err, "log line")
	}
	return p.end(append(p.begin("line", strconv.FormatUint(line.Sequence, 10)), raw...)), nil
}

// logPosition is the sequence behind which a log is read.
func logPosition(c echo.Context) (uint64, error) {
	text := c.QueryParam("after")
	if last := c.Request().Header.Get("Last-Event-ID"); last != "" {
		text = last
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, "after: %q is not the sequence of a line", text)
	}
	return n, nil
}

func flag(c echo.Context, name string) (bool, error) {
	text := c.QueryParam(name)
	if text == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, fault.New(fault.Invalid, "%s: want true or false, not %q", name, text)
	}
	return on, nil
}

// close ends a reading, whose failure only the log can be told.
func (s *Server) close(what string, r interface{ Close() error }) {
	if err := r.Close(); err != nil {
		s.cfg.Log.Warn(what+" not closed", "error", err)
	}
}
