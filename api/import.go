package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxImport is the most that a configuration to be imported may have, as JSON,
// in base64 or in a form.
const maxImport = 1 << 20

func (s *Server) importRoute() {
	s.echo.POST("/api/connectors/:id/import-config", s.authenticated(s.importConfig))
	s.document(&huma.Operation{
		OperationID: "import-connector-config", Method: http.MethodPost, Path: "/api/connectors/{id}/import-config", Tags: []string{"connectors"},
		Summary: "Replace a connector's configuration by an object, or by a file",
		Description: "The object becomes rows with keys in dot notation. The module may put it in order first. " +
			"Files of the sources are read too: JSON, YAML, properties, and sections of properties. What the schema does not allow changes nothing.",
		Parameters: []*huma.Param{
			{Name: "id", In: "path", Required: true, Description: "Id or name", Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: "If-Match", In: "header", Schema: &huma.Schema{Type: huma.TypeString}, Description: "ETag of the revision that was read; none: whichever there is"},
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.schema(reflect.TypeFor[client.Import](), "Import")},
			"multipart/form-data": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"file"},
				Properties: map[string]*huma.Schema{"file": {Type: huma.TypeString, Format: "binary", Description: "Its name and its type tell its format"}},
			}},
		}},
		Responses: map[string]*huma.Response{"200": {
			Description: "The connector as it is now",
			Headers:     map[string]*huma.Header{"ETag": textHeader("Of this revision")},
			Content:     map[string]*huma.MediaType{"application/json": {Schema: s.schema(reflect.TypeFor[client.Connector](), "Connector")}},
		}},
	})
}

// importConfig takes a configuration as JSON or as a form with a file.
func (s *Server) importConfig(c echo.Context, t *control.Tenant) error {
	r := c.Request()
	revision, err := parseRevision(r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	from := &boundedReader{from: &patientReader{from: r.Body, conn: controller(c), idle: s.pace.silence}, left: maxImport, err: importTooLarge}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	var in control.Import
	switch kind {
	case "application/json":
		in, err = importOf(from)
	case "multipart/form-data":
		in, err = importForm(multipart.NewReader(from, params["boundary"]))
	default:
		err = fault.New(fault.MediaUnsupported, "a body of type %q is no configuration", r.Header.Get("Content-Type")).
			WithHint("Send application/json, or a file in multipart/form-data.")
	}
	if err != nil {
		return s.uploadFailed(err)
	}
	out, err := answer(t.ImportConfig(r.Context(), c.Param("id"), in, revision))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", out.ETag)
	return c.JSON(http.StatusOK, out.Body)
}

func importTooLarge() error {
	return fault.New(fault.TooLarge, "the configuration is larger than %d bytes", maxImport)
}

// importOf reads {"json_data"}, or a file in base64.
func importOf(from io.Reader) (in control.Import, err error) {
	raw, err := io.ReadAll(from)
	if err != nil {
		return in, broken(err)
	}
	var got client.Import
	if err := json.Unmarshal(raw, &got); err != nil {
		return in, fault.Wrap(fault.BodyInvalid, err, "the body is no import")
	}
	in = control.Import{Name: got.FileName, MIME: got.FileMIME}
	if got.FileContent != "" {
		if len(got.JSONData) > 0 {
			return in, fault.New(fault.BodyInvalid, "the body has both json_data and file_content").WithHint("Send one of the two.")
		}
		if in.Body, err = base64.StdEncoding.DecodeString(got.FileContent); err != nil {
			return in, fault.New(fault.BodyInvalid, "file_content is not base64").
				WithFields(fault.Field{Pointer: "/file_content", Detail: "is not base64 (RFC 4648, with padding)"})
		}
		return in, nil
	}
	in.Object = got.JSONData
	return in, nil
}

// importForm reads the one file of a form.
func importForm(form *multipart.Reader) (in control.Import, err error) {
	for range maxParts {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return in, broken(err)
		}
		if part.FormName() != "file" && part.FileName() == "" {
			continue
		}
		in = control.Import{Name: part.FileName(), MIME: part.Header.Get("Content-Type")}
		if in.Body, err = io.ReadAll(part); err != nil {
			return in, broken(err)
		}
		return in, nil
	}
	return in, fault.New(fault.BodyInvalid, "the form has no part named file")
}
