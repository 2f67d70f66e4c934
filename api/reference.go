package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/runtime/fault"
)

// reference is what the API reference shows. It is made of the OpenAPI
// document alone, so that it lists what the server answers.
type reference struct {
	Version, Description string
	Areas                []areaDoc
	Schemas              []schemaDoc
	ByStatus             [][]fault.Info
}

// areaDoc is the operations with one tag.
type areaDoc struct {
	Name       string
	Operations []operationDoc
}

type operationDoc struct {
	ID, Method, Path, Summary, Description string
	Public                                 bool
	Parameters, Bodies, Answers            []rowDoc
	Example                                string // a body
	Problems                               []int  // statuses
}

type rowDoc struct{ Kind, Name, Type, Text string }

type schemaDoc struct {
	Name   string
	Fields []fieldDoc
}

type fieldDoc struct{ Name, Type, Text string }

func newReference(doc *huma.OpenAPI) reference {
	r := reference{Version: doc.Info.Version, Description: doc.Info.Description}
	r.ByStatus = problemsByStatus()
	areas := map[string][]operationDoc{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, op := range operationsOf(doc.Paths[path]) {
			area := "other"
			if len(op.Tags) > 0 {
				area = op.Tags[0]
			}
			areas[area] = append(areas[area], newOperationDoc(op))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(areas)) {
		r.Areas = append(r.Areas, areaDoc{name, areas[name]})
	}
	schemas := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		r.Schemas = append(r.Schemas, newSchemaDoc(name, schemas[name]))
	}
	return r
}

// problemsByStatus is the fault table, the statuses in their order.
func problemsByStatus() (groups [][]fault.Info) {
	byStatus := map[int][]fault.Info{}
	for _, k := range fault.Kinds() {
		info := k.Info()
		byStatus[info.Status] = append(byStatus[info.Status], info)
	}
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		groups = append(groups, byStatus[status])
	}
	return groups
}

// operationsOf are all operations of a path.
func operationsOf(item *huma.PathItem) []*huma.Operation {
	all := []*huma.Operation{
		item.Get, item.Head, item.Post, item.Put, item.Patch, item.Delete, item.Options, item.Trace,
	}
	return slices.DeleteFunc(all, func(op *huma.Operation) bool { return op == nil })
}

func newOperationDoc(op *huma.Operation) operationDoc {
	d := operationDoc{
		ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		Public: !secured(op),
	}
	for _, p := range op.Parameters {
		name := p.Name
		if p.Required {
			name += " (required)"
		}
		d.Parameters = append(d.Parameters, rowDoc{p.In, name, typeName(p.Schema), p.Description})
	}
	if op.RequestBody != nil {
		d.Bodies = contentRows("body", op.RequestBody.Content, "")
		if media := op.RequestBody.Content["application/json"]; media != nil {
			d.Example = exampleText(media.Example)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		if r.Ref != "" {
			if n, err := strconv.Atoi(status); err == nil && n >= http.StatusBadRequest {
				d.Problems = append(d.Problems, n)
			}
			continue
		}
		rows := contentRows(status, r.Content, r.Description)
		if len(rows) == 0 {
			rows = []rowDoc{{Kind: status, Name: "no body", Text: r.Description}}
		}
		d.Answers = append(d.Answers, rows...)
	}
	return d
}

// exampleText is an example with its lines as they were written.
func exampleText(example any) string {
	if example == nil {
		return ""
	}
	raw, err := json.Marshal(example)
	if err != nil {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

func contentRows(kind string, content map[string]*huma.MediaType, description string) (rows []rowDoc) {
	for _, media := range slices.Sorted(maps.Keys(content)) {
		text := description
		if s := content[media].Schema; s != nil {
			text = cmp.Or(s.Description, description)
		}
		rows = append(rows, rowDoc{kind, media, typeName(content[media].Schema), text})
	}
	return rows
}

func newSchemaDoc(name string, s *huma.Schema) schemaDoc {
	d := schemaDoc{Name: name}
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[field]
		notes := []string{p.Description}
		if slices.Contains(s.Required, field) && !p.ReadOnly {
			notes = append(notes, "(required)")
		}
		if p.ReadOnly {
			notes = append(notes, "(filled in by the server)")
		}
		d.Fields = append(d.Fields, fieldDoc{field, typeName(p), strings.TrimSpace(strings.Join(notes, " "))})
	}
	return d
}

// typeName is a schema in a word or two.
func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Type == huma.TypeArray:
		return "list of " + typeName(s.Items)
	case len(s.OneOf) > 0:
		names := make([]string, len(s.OneOf))
		for i, one := range s.OneOf {
			names[i] = typeName(one)
		}
		return strings.Join(names, " or ")
	case len(s.Enum) > 0:
		names := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			text, _ := v.(string)
			names[i] = strconv.Quote(text)
		}
		return strings.Join(names, ", ")
	case s.Type == "":
		return "any"
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}
