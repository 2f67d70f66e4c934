package api

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// Hooks takes the requests that come in for connectors.
type Hooks interface {
	// Serve answers a request to a path below a connector's address. It reads the
	// body; wanted is asked whether there is a connector that is to run. The error is
	// a fault. A status, headers and a body of the reply are the connector's word.
	Serve(r *http.Request, connector, path string, wanted func(connector string) bool) (abi.HookReply, error)
	// BodyTime is how long a body may take.
	BodyTime() time.Duration
}

// hooksPath is where connectors have their addresses.
const hooksPath = "/hooks/"

// hookMethods are those that a request that comes in may have.
func hookMethods() []string {
	return []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut}
}

// hookRoutes lead to the connectors. No token of the API is asked for, and none is
// looked at: who may come in is the connector's word.
func (s *Server) hookRoutes() {
	if s.cfg.Hooks == nil {
		return
	}
	for _, method := range hookMethods() {
		s.echo.Add(method, hooksPath+":connector/*", s.hook)
		s.echo.Add(method, hooksPath+":connector", s.hook) // its path is /, as that of the same with a slash
		s.documentHook(method, "hook-"+strings.ToLower(method), "{connector}/{path}", &huma.Param{
			Name: "path", In: "path", Required: true, Description: "The rest of the path, slashes and all", Schema: &huma.Schema{Type: huma.TypeString},
		})
		s.documentHook(method, "hook-root-"+strings.ToLower(method), "{connector}")
	}
}

func (s *Server) hook(c echo.Context) error {
	r := c.Request()
	conn := controller(c)
	_ = conn.SetReadDeadline(time.Now().Add(s.cfg.Hooks.BodyTime())) // not every connection has one
	r.Body = &timedBody{r.Body, func() { _ = conn.SetReadDeadline(time.Time{}) }}
	reply, err := s.cfg.Hooks.Serve(r, c.Param("connector"), "/"+c.Param("*"), s.cfg.Control.Wants)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	// The answer comes from the server's own name: no browser may make a page of it.
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	for _, header := range reply.Headers {
		h.Add(header.Name, string(header.Value))
	}
	if len(reply.Body) > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	c.Response().WriteHeader(int(reply.Status))
	if len(reply.Body) > 0 && r.Method != http.MethodHead {
		_, _ = c.Response().Write(reply.Body) // a caller that has gone is no fault
	}
	return nil
}

// timedBody says when it has come to its end.
type timedBody struct {
	io.ReadCloser

	then func()
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.then()
	}
	return n, err
}

// addressesOf is where a connector takes requests now, below the server's own
// address.
func addressesOf(connector string, now *lifecycle.Status) (list []string) {
	if now == nil {
		return nil
	}
	for i := range now.Sessions {
		if now.Sessions[i].Group != "hooks" {
			continue
		}
		for resource := range strings.FieldsSeq(now.Sessions[i].Resource) {
			if path, ok := strings.CutPrefix(resource, "path:"); ok {
				list = append(list, hooksPath+connector+path)
			}
		}
	}
	return list
}

// documentHook documents a route to connectors, with what its path has beside the
// connector.
func (s *Server) documentHook(method, id, path string, rest ...*huma.Param) {
	op := &huma.Operation{
		OperationID: id, Method: method, Path: hooksPath + path, Tags: []string{"hooks"},
		Summary: "Send a request to a connector (" + method + " " + hooksPath + path + ")",
		Description: "The connector has to run, and to take this method at this path (`hooks.open`). Who may come in is the connector's word: it may ask for a signature " +
			"(HMAC over the body), a token or a login of its own. Whoever may not, and whoever asks for what is not there, is answered 404. " +
			"The answer comes when what became of the request is durable: 202, or what the connector says. A request that names itself, by Idempotency-Key or by a header " +
			"that the connector names, is handed in once: sent again, it is answered as before, with Idempotency-Replayed: true. The connector's address alone, " +
			"with and without the slash, has the path /.",
		Security: nobody(),
		Parameters: append([]*huma.Param{
			{Name: "connector", In: "path", Required: true, Description: "The connector's id", Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: headerIdempotencyKey, In: "header", Description: "Names the request", Schema: &huma.Schema{Type: huma.TypeString}},
		}, rest...),
		Responses: map[string]*huma.Response{
			"202":     {Description: "What became of it is durable"},
			"default": {Description: "What the connector says"},
		},
	}
	statuses := []int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusGatewayTimeout,
	}
	for _, status := range statuses {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + s.problemOfStatus(s.huma.OpenAPI(), status)}
	}
	s.document(op)
}
