package api

import (
	"context"
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
	"github.com/snaprail/snaprail/runtime/spec"
)

// FilePath names a file. It is exported as PageQuery is.
type FilePath struct {
	Caller
	ID string `path:"id" maxLength:"255" doc:"Id"`
}

type fileDelete struct {
	FilePath
	IfMatch string `header:"If-Match" maxLength:"128" doc:"ETag of the file, or *"`
}

// fileOutput is a file with its ETag: its content never changes.
type fileOutput struct {
	ETag string `header:"ETag"`
	Body spec.File
}

func fileTag(f spec.File) string { return `"` + f.Digest + `"` }

func (s *Server) fileRoutes() {
	s.echo.POST("/api/files", s.authenticated(s.uploadFile))
	s.echo.GET("/api/files/:id/content", s.authenticated(s.fileContent))
	s.documentFiles()
	register(s, huma.Operation{
		OperationID: "list-files", Method: http.MethodGet, Path: "/api/files", Tags: []string{"files"},
		Summary: "List files, by id",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[spec.File]], error) {
		list, next, err := in.tenant.Files(ctx, in.page())
		if err != nil {
			return nil, err
		}
		return &body[client.List[spec.File]]{client.List[spec.File]{Items: append([]spec.File{}, list...), Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-file", Method: http.MethodGet, Path: "/api/files/{id}", Tags: []string{"files"},
		Summary: "Show what is known of a file",
	}, func(ctx context.Context, in *FilePath) (*fileOutput, error) {
		f, err := in.tenant.File(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &fileOutput{fileTag(f), f}, nil
	})
	register(s, huma.Operation{
		OperationID: "delete-file", Method: http.MethodDelete, Path: "/api/files/{id}", Tags: []string{"files"},
		Summary:       "Delete a file",
		Description:   "Connectors whose rows refer to it are left without it, and do not start again until they have another.",
		DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *fileDelete) (*nothing, error) {
		f, err := in.tenant.File(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if in.IfMatch != "*" && in.IfMatch != fileTag(f) {
			return nil, fault.New(fault.StaleRevision, "If-Match is not the ETag of this file")
		}
		return nil, in.tenant.DeleteFile(ctx, f.ID)
	})
}

func (s *Server) documentFiles() {
	s.document(&huma.Operation{
		OperationID: "create-file", Method: http.MethodPost, Path: "/api/files", Tags: []string{"files"},
		Summary:     "Upload a file for rows of a configuration to refer to",
		Description: "The file as it is, of whichever type, with its name in the query; or a form with a part named file. It has at most 192 KiB.",
		Parameters:  []*huma.Param{query("name", huma.TypeString, "What the file is called; required where it comes as it is")},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/octet-stream": binary("The file"),
			"multipart/form-data": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"file"},
				Properties: map[string]*huma.Schema{"file": {Type: huma.TypeString, Format: "binary"}},
			}},
		}},
		Responses: map[string]*huma.Response{"201": {
			Description: "The file was taken in",
			Headers:     map[string]*huma.Header{"Location": textHeader("/api/files/fil_01KE2X7Q8Z5T3R9V1W4Y6A0BCD")},
			Content:     map[string]*huma.MediaType{"application/json": {Schema: s.schema(reflect.TypeFor[spec.File](), "File")}},
		}},
	})
	s.document(&huma.Operation{
		OperationID: "get-file-content", Method: http.MethodGet, Path: "/api/files/{id}/content", Tags: []string{"files"},
		Summary:     "Download a file",
		Description: "It may be a key, so it is for those alone who may upload files.",
		Parameters: []*huma.Param{
			{Name: "id", In: "path", Required: true, Description: "Id", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Responses: map[string]*huma.Response{"200": {
			Description: "The file as it was uploaded",
			Content:     map[string]*huma.MediaType{"application/octet-stream": binary("The file")},
		}},
	})
}

// uploadFile takes a file in, raw or as a part of a form.
func (s *Server) uploadFile(c echo.Context, t *control.Tenant) error {
	leave, err := s.uploads.enter(identityOf(c).Tenant)
	if err != nil {
		return err
	}
	defer leave()
	const slack = 16 << 10 // for what a form has beside the file
	r := c.Request()
	from := &boundedReader{
		from: &patientReader{from: r.Body, conn: controller(c), idle: s.pace.silence}, left: control.MaxFile + slack, err: fileTooLarge,
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	name, content := c.QueryParam("name"), []byte(nil)
	switch {
	case err != nil:
		return fault.New(fault.MediaUnsupported, "the body of type %q is no file", r.Header.Get("Content-Type")).
			WithHint("Send application/octet-stream, the file's own type, or a form with a file.")
	case kind == "multipart/form-data":
		name, kind, content, err = fileOfForm(multipart.NewReader(from, params["boundary"]))
	default:
		content, err = io.ReadAll(from)
	}
	if err != nil {
		return s.uploadFailed(broken(err))
	}
	if kind == "application/octet-stream" {
		kind = ""
	}
	f, err := t.AddFile(r.Context(), name, kind, content)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", "/api/files/"+f.ID)
	return c.JSON(http.StatusCreated, f)
}

func fileTooLarge() error {
	return fault.New(fault.TooLarge, "the file is larger than %d bytes", control.MaxFile)
}

// fileOfForm reads the part named file.
func fileOfForm(form *multipart.Reader) (name, kind string, content []byte, err error) {
	for range maxParts {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", "", nil, err
		}
		if part.FormName() != "file" {
			continue
		}
		content, err = io.ReadAll(part)
		return part.FileName(), part.Header.Get("Content-Type"), content, err
	}
	return "", "", nil, fault.New(fault.BodyInvalid, "the form has no part named file among its first %d", maxParts)
}

// fileContent hands a file out, so that a browser keeps it and shows nothing of
// it.
func (s *Server) fileContent(c echo.Context, t *control.Tenant) error {
	f, content, err := t.FileContent(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("ETag", fileTag(f))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("X-Content-Type-Options", "nosniff")
	return c.Blob(http.StatusOK, "application/octet-stream", content)
}
