package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is the OpenAPI document as a client reads it.
type document struct {
	raw        any
	compiler   *jsonschema.Compiler  // of answers
	requests   *jsonschema.Compiler  // of requests, which have nothing that the server fills in
	operations map[string]*operation // by method and path
	Components struct {
		Responses map[string]answerForm
		Schemas   map[string]any
	}
	Paths map[string]map[string]json.RawMessage
}

// operation is one of the document's operations.
type operation struct {
	method, path string
	OperationID  string `json:"operationId"`
	Summary      string
	Tags         []string
	Security     *[]map[string][]string
	Parameters   []struct {
		Name, In, Description string
		Required              bool
		Schema                map[string]any
	}
	RequestBody *struct {
		Required bool
		Content  map[string]struct {
			Schema   any
			Example  any
			Examples map[string]struct{ Value any }
		}
	}
	Responses map[string]answerForm
}

type answerForm struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]any
	Content     map[string]struct{ Schema any }
}

const documentURL = "https://snaprail.test/openapi.json"

// document fetches the document from the server.
func (r *rig) document() *document {
	r.t.Helper()
	d := &document{operations: map[string]*operation{}}
	p := r.call(http.MethodGet, "/openapi.json", "", header("Authorization", ""))
	p.ok(http.StatusOK, d)
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(p.body))
	r.must(err)
	d.raw = raw
	sent, err := jsonschema.UnmarshalJSON(bytes.NewReader(p.body))
	r.must(err)
	forgetReadOnly(sent)
	d.compiler, d.requests = r.compiler(raw), r.compiler(sent)
	for path, item := range d.Paths {
		for method, raw := range item {
			op := &operation{method: strings.ToUpper(method), path: path}
			r.must(json.Unmarshal(raw, op))
			d.operations[op.method+" "+path] = op
		}
	}
	return d
}

func (r *rig) compiler(doc any) *jsonschema.Compiler {
	r.t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	r.must(c.AddResource(documentURL, doc))
	return c
}

// forgetReadOnly takes what the server fills in out of what is required.
func forgetReadOnly(node any) {
	switch n := node.(type) {
	case []any:
		for _, each := range n {
			forgetReadOnly(each)
		}
	case map[string]any:
		properties, _ := n["properties"].(map[string]any)
		if required, ok := n["required"].([]any); ok && properties != nil {
			n["required"] = slices.DeleteFunc(required, func(name any) bool {
				p, _ := properties[name.(string)].(map[string]any)
				return p["readOnly"] == true
			})
		}
		for _, each := range n {
			forgetReadOnly(each)
		}
	}
}

// sorted are the operations in a settled order.
func (d *document) sorted() []*operation {
	var all []*operation
	for _, op := range d.operations {
		all = append(all, op)
	}
	slices.SortFunc(all, func(a, b *operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all
}

// public reports whether the operation needs no credential.
func (op *operation) public() bool { return op.Security != nil && len(*op.Security) == 0 }

func (op *operation) has(in, name string) bool {
	for _, p := range op.Parameters {
		if p.In == in && strings.EqualFold(p.Name, name) {
			return true
		}
	}
	return false
}

// names are the parameters of a path, in their order.
func (op *operation) names() (list []string) {
	for part := range strings.SplitSeq(op.path, "/") {
		if strings.HasPrefix(part, "{") {
			list = append(list, part)
		}
	}
	return list
}

// fill puts values in place of the path's parameters.
func (op *operation) fill(t *testing.T, values []string) string {
	t.Helper()
	names := op.names()
	if len(names) != len(values) {
		t.Fatalf("%s has %d parameters, and the row gives %d", op.path, len(names), len(values))
	}
	path := op.path
	for i, name := range names {
		path = strings.Replace(path, name, values[i], 1)
	}
	return path
}

// pointer is a place in the document.
func pointer(parts ...string) string {
	var b strings.Builder
	b.WriteString(documentURL + "#")
	for _, p := range parts {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B", " ", "%20").Replace(p))
	}
	return b.String()
}

// check sees that an answer is one of those that the document has for the
// operation: its status, its type, and its body by the schema.
func (d *document) check(t *testing.T, op *operation, p reply) {
	t.Helper()
	status := itoa(p.status)
	form, ok := op.Responses[status]
	at := []string{"paths", op.path, strings.ToLower(op.method), "responses", status}
	if !ok {
		t.Errorf("status %d is not in the document: %.300s", p.status, p.body)
		return
	}
	if name, is := strings.CutPrefix(form.Ref, "#/components/responses/"); is {
		if form, ok = d.Components.Responses[name]; !ok {
			t.Fatalf("%s leads nowhere", name)
		}
		at = []string{"components", "responses", name}
	}
	if form.Description == "" {
		t.Errorf("the answer %s has no description", status)
	}
	if op.method == http.MethodHead {
		return
	}
	if len(form.Content) == 0 {
		if len(p.body) > 0 {
			t.Errorf("status %d has a body, and none in the document: %.200s", p.status, p.body)
		}
		return
	}
	kind, _, err := mime.ParseMediaType(p.header.Get("Content-Type"))
	if err != nil {
		t.Errorf("status %d: content type %q", p.status, p.header.Get("Content-Type"))
		return
	}
	if _, ok := form.Content[kind]; !ok {
		t.Errorf("status %d: type %s is not in the document: %.200s", p.status, kind, p.body)
		return
	}
	if strings.HasSuffix(kind, "json") && kind != typeLines {
		validate(t, d.compiler, pointer(append(at, "content", kind, "schema")...), p.body)
	}
}

// validate sees that JSON fits the schema at a place of the document.
func validate(t *testing.T, c *jsonschema.Compiler, at string, body []byte) {
	t.Helper()
	schema, err := c.Compile(at)
	if err != nil {
		t.Fatalf("the schema at %s: %v", at, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Errorf("%v: %.300s", err, body)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%v\n%.1000s", err, body)
	}
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
