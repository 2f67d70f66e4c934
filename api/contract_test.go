package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestEveryOperationKeepsItsContract drives every operation of the OpenAPI
// document on a real server with real guests, well and wrongly, and holds
// every answer against the document. See rows for how an operation is added.
func TestEveryOperationKeepsItsContract(t *testing.T) {
	w := newWorld(t)
	table := rows()
	for _, op := range w.doc.sorted() {
		r, ok := table[op.OperationID]
		if !ok {
			t.Errorf("%s %s (%s) has no row in rows()", op.method, op.path, op.OperationID)
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			outer := w.t
			defer func() { w.t = outer }()
			w.t = t
			contract{t, w, op, r}.all()
		})
		delete(table, op.OperationID)
	}
	for id := range table {
		t.Errorf("the row %s is of no operation", id)
	}
}

// contract is one operation's.
type contract struct {
	t   *testing.T
	w   *world
	op  *operation
	row row
}

func (c contract) all() {
	c.described()
	c.answers(c.row.call(c.w))
	for _, more := range c.row.more {
		c.answers(more(c.w))
	}
	c.wrongHost()
	if c.row.role == "" {
		return
	}
	c.wrongBodies()
	c.revisions()
	c.singles()
	c.pages()
}

// answers makes a good call.
func (c contract) answers(good call) reply {
	c.t.Helper()
	p := c.w.send(c.op, good)
	if p.status != good.want {
		c.t.Errorf("status %d, want %d: %.500s", p.status, good.want, p.body)
	}
	c.w.doc.check(c.t, c.op, p)
	if p.header.Get(headerRequestID) == "" {
		c.t.Error("the answer has no request id")
	}
	if c.row.role != "" && (p.header.Get(headerRateLimit) == "" || p.header.Get(headerRatePolicy) == "") {
		c.t.Errorf("the answer says nothing of the rate: %v", p.header)
	}
	return p
}

// refused makes a call that has to be refused, as the document says.
func (c contract) refused(wrong call, edit func(*http.Request), kinds ...fault.Kind) {
	c.t.Helper()
	p := c.w.send(c.op, wrong, edit)
	if c.op.method == http.MethodHead { // which has no body
		if p.status != kinds[0].Info().Status {
			c.t.Errorf("status %d, want %d", p.status, kinds[0].Info().Status)
		}
		return
	}
	p.refused(c.t, kinds...)
	c.w.doc.check(c.t, c.op, p)
}

// described sees that the operation says what it is.
func (c contract) described() {
	op := c.op
	if op.Summary == "" || len(op.Tags) == 0 {
		c.t.Error("no summary, or no tag")
	}
	if op.public() != (c.row.role == "") {
		c.t.Errorf("public in the document: %t, in its row: %t", op.public(), c.row.role == "")
	}
	for _, p := range op.Parameters {
		if p.Description == "" || len(p.Schema) == 0 {
			c.t.Errorf("the parameter %s has no description or no schema", p.Name)
		}
	}
	for _, name := range op.names() {
		if !op.has("path", strings.Trim(name, "{}")) {
			c.t.Errorf("%s is not among the parameters", name)
		}
	}
	if op.RequestBody == nil {
		return
	}
	for kind, media := range op.RequestBody.Content {
		if kind != "application/json" {
			continue
		}
		examples := []any{}
		if media.Example != nil {
			examples = append(examples, media.Example)
		}
		for _, e := range media.Examples {
			examples = append(examples, e.Value)
		}
		if len(examples) == 0 {
			c.t.Error("the body has no example: add one to examples()")
		}
		for _, example := range examples {
			raw, err := json.Marshal(example)
			c.w.must(err)
			validate(c.t, c.w.doc.requests, pointer("paths", op.path, strings.ToLower(op.method), "requestBody", "content", kind, "schema"), raw)
		}
	}
}

func (c contract) wrongHost() {
	c.refused(c.row.call(c.w), func(q *http.Request) { q.Host = "evil.example" }, fault.WrongHost)
}

// json reports whether the operation takes a body of JSON.
func (c contract) json() bool {
	if c.op.RequestBody == nil {
		return false
	}
	_, ok := c.op.RequestBody.Content["application/json"]
	return ok
}

func (c contract) wrongBodies() {
	if c.op.RequestBody == nil {
		return
	}
	if _, any := c.op.RequestBody.Content["application/octet-stream"]; !any || c.json() {
		c.wrong(func(wrong *call) { wrong.kind, wrong.body = "application/x-none", "text" }, fault.MediaUnsupported)
	}
	if !c.json() {
		return
	}
	c.wrong(func(wrong *call) { wrong.kind, wrong.body = "application/json", "{" }, fault.BodyInvalid)
	size := maxBody + 1
	if c.op.path == "/api/modules" {
		size = maxExtism + 1
	}
	c.wrong(func(wrong *call) { wrong.kind, wrong.body = "application/json", strings.Repeat(" ", size) }, fault.TooLarge, fault.ModuleTooLarge)
}

func (c contract) wrong(edit func(*call), kinds ...fault.Kind) {
	c.t.Helper()
	wrong := c.row.call(c.w)
	edit(&wrong)
	c.refused(wrong, func(*http.Request) {}, kinds...)
}

// revisions sees that a change says what it changes, where it has to.
func (c contract) revisions() {
	if !needsRevision(c.op.method, c.op.path) {
		return
	}
	c.refused(c.row.call(c.w), header("If-Match", ""), fault.RevisionRequired)
	c.refused(c.row.call(c.w), header("If-Match", `"4711"`), fault.StaleRevision)
}

// singles sees that what is read singly has an ETag, and that whoever has it
// already need not read it again.
func (c contract) singles() {
	if c.op.method != http.MethodGet || c.lists() {
		return
	}
	good := c.row.call(c.w)
	if good.stream {
		return
	}
	p := c.w.send(c.op, good)
	tag := p.header.Get("ETag")
	if tag == "" {
		c.t.Error("no ETag")
	}
}

// lists reports whether the answer is a page of a list.
func (c contract) lists() bool { return c.op.has("query", "limit") && c.op.has("query", "after") }

// pages sees that a list comes in pages of the size that is asked for.
func (c contract) pages() {
	good := c.row.call(c.w)
	p := c.w.send(c.op, good)
	var page struct {
		Items *[]json.RawMessage
		Next  string
	}
	if good.stream || json.Unmarshal(p.body, &page) != nil || page.Items == nil {
		return
	}
	if !c.lists() {
		c.t.Error("a list without the parameters after and limit")
		return
	}
	for _, limit := range []string{"501", "-1", "x"} {
		c.refused(good, query2("limit", limit), fault.Invalid)
	}
	var seen []string
	after := ""
	for range 500 {
		p := c.w.send(c.op, good, query2("limit", "1"), query2("after", after))
		c.w.doc.check(c.t, c.op, p)
		page.Next, page.Items = "", nil
		if p.status != good.want || json.Unmarshal(p.body, &page) != nil || page.Items == nil || len(*page.Items) > 1 {
			c.t.Fatalf("page after %q: %d %.300s", after, p.status, p.body)
		}
		for _, item := range *page.Items {
			if slices.Contains(seen, string(item)) {
				c.t.Fatalf("%s comes twice", item)
			}
			seen = append(seen, string(item))
		}
		if after = page.Next; after == "" {
			return
		}
	}
}

func query2(name, value string) func(*http.Request) {
	return func(q *http.Request) {
		v := q.URL.Query()
		v.Set(name, value)
		q.URL.RawQuery = v.Encode()
	}
}
