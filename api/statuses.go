package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/runtime/fault"
)

// complete fills in what operations of one shape have in common: the statuses
// of the faults that they answer with, the headers of all answers, and the
// header parameters that the server reads of every request. It is called for
// each operation that comes into the document, so that none can be forgotten.
func (s *Server) complete(doc *huma.OpenAPI, op *huma.Operation) {
	if secured(op) && op.Method == http.MethodPost && !has(op, headerIdempotencyKey) {
		op.Parameters = append(op.Parameters, idempotencyParam())
	}
	if needsRevision(op.Method, op.Path) {
		requireIfMatch(op)
	}
	exemplify(op)
	s.noteSecret(op)
	if ok := op.Responses["200"]; ok != nil && single(op) && ok.Content["application/json"] != nil {
		setHeader(ok, "ETag", textHeader("Of this state of it, for If-Match"))
	}
	for _, status := range statusesOf(op) {
		name := strconv.Itoa(status)
		if op.Responses[name] != nil {
			continue
		}
		op.Responses[name] = &huma.Response{Ref: "#/components/responses/" + s.problemOfStatus(doc, status)}
	}
	for status, r := range op.Responses {
		if r.Ref == "" && secured(op) && status < "400" {
			limitHeaders(r)
		}
	}
}

// secured reports whether an operation is for callers with a credential alone.
func secured(op *huma.Operation) bool { return op.Security == nil || len(op.Security) > 0 }

func has(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return strings.EqualFold(p.Name, name) })
}

// requireIfMatch makes the document say what the server asks for.
func requireIfMatch(op *huma.Operation) {
	for _, p := range op.Parameters {
		if p.In == "header" && strings.EqualFold(p.Name, "If-Match") {
			p.Required = true
			return
		}
	}
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "If-Match", In: "header", Required: true, Schema: &huma.Schema{Type: huma.TypeString},
		Description: "ETag of what was read; * for whichever there is",
	})
}

// statusesOf are the statuses of the faults that an operation of this shape
// may answer with. They are those of the table, and a few more rather than one
// too few: a client that knows them all is never surprised.
func statusesOf(op *huma.Operation) []int {
	list := []int{
		http.StatusMisdirectedRequest, http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	if !secured(op) && op.Method != http.MethodPost {
		return list
	}
	list = append(list, http.StatusTooManyRequests, http.StatusUnprocessableEntity, http.StatusBadRequest)
	if secured(op) {
		list = append(list, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound)
	}
	if op.RequestBody != nil {
		list = append(list, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if op.Method != http.MethodGet && op.Method != http.MethodHead || strings.HasPrefix(op.Path, callbackPath) {
		// It may wait for a guest or a peer, and it writes to the disk.
		list = append(list, http.StatusConflict, http.StatusNotImplemented, http.StatusBadGateway,
			http.StatusGatewayTimeout, http.StatusInsufficientStorage)
	}
	if has(op, "If-Match") {
		list = append(list, http.StatusPreconditionFailed)
	}
	if needsRevision(op.Method, op.Path) {
		list = append(list, http.StatusPreconditionRequired)
	}
	return list
}

// problemOfStatus is the name of the answer for faults of a status, which
// comes into the document when it is first asked for.
func (s *Server) problemOfStatus(doc *huma.OpenAPI, status int) string {
	name := "Problem" + strconv.Itoa(status)
	if doc.Components.Responses == nil {
		doc.Components.Responses = map[string]*huma.Response{}
	}
	if doc.Components.Responses[name] != nil {
		return name
	}
	var codes []string
	for _, k := range fault.Kinds() {
		if info := k.Info(); info.Status == status {
			codes = append(codes, info.Code)
		}
	}
	r := s.problemResponse()
	r.Description = fmt.Sprintf("A problem with one of the codes %s", strings.Join(codes, ", "))
	r.Headers = map[string]*huma.Header{headerRequestID: textHeader("Id of the request, as in the server's log")}
	switch status {
	case http.StatusUnauthorized:
		r.Headers["WWW-Authenticate"] = textHeader("Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		r.Headers["Retry-After"] = &huma.Header{Description: "Seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}
	}
	doc.Components.Responses[name] = r
	return name
}

func textHeader(description string) *huma.Header {
	return &huma.Header{Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

// limitHeaders are those of every answer to a caller with a credential.
func limitHeaders(r *huma.Response) {
	setHeader(r, headerRateLimit, textHeader("What is left of the tenant's requests, and the seconds after which all are back"))
	setHeader(r, headerRatePolicy, textHeader("How many requests the tenant has in how many seconds"))
}

// setHeader describes a header of an answer, unless it is described.
func setHeader(r *huma.Response, name string, h *huma.Header) {
	if r.Headers == nil {
		r.Headers = map[string]*huma.Header{}
	}
	if r.Headers[name] == nil {
		r.Headers[name] = h
	}
}
