package api

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of an upload.
const (
	maxParts = 10
	// uploadSlack is what a body may have beside the module.
	uploadSlack = abi.MaxManifest + 64<<10
	// maxExtism is the most that an Extism manifest may have, module included.
	maxExtism = 32 << 20
	// extismAtOnce is how many Extism manifests the server reads at once, of all
	// tenants. Each is in memory with its JSON taken apart and its module, which
	// is about three times its size.
	extismAtOnce = 2
	// extismWait is how long one that has come waits for its turn.
	extismWait = 30 * time.Second
)

// upload takes a module in as it comes: raw, or as a part of a form with the
// manifest in another one before it.
func (s *Server) upload(c echo.Context, t *control.Tenant) error {
	leave, err := s.uploads.enter(identityOf(c).Tenant)
	if err != nil {
		return err
	}
	defer leave()
	r := c.Request()
	if r.ContentLength > s.cfg.MaxModule+uploadSlack {
		return s.tooLarge()
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, s.cfg.MaxModule+uploadSlack)
	patient := &patientReader{from: r.Body, conn: controller(c), idle: s.pace.silence}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	var m spec.Module
	var created bool
	switch kind {
	case "application/wasm", "application/octet-stream":
		var digest string
		if digest, err = announced(c.QueryParam("sha256"), r.Header); err == nil {
			m, created, err = t.AddModule(r.Context(), s.bounded(patient), nil, digest)
		}
	case "application/json":
		m, created, err = s.uploadExtism(c, t, patient)
	case "multipart/form-data":
		m, created, err = s.uploadForm(c, t, multipart.NewReader(patient, params["boundary"]))
	default:
		err = fault.New(fault.MediaUnsupported, "a body of type %q is no module", r.Header.Get("Content-Type"))
	}
	if err != nil {
		return s.uploadFailed(err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	c.Response().Header().Set("Location", "/api/modules/"+m.Digest)
	return c.JSON(status, moduleForm(m))
}

// uploadExtism takes in an Extism manifest with a module in it. It has to be in
// memory as a whole, so it has a bound of its own, and few are there at once. It
// waits for its turn in a file, so that a slow client takes nobody's.
func (s *Server) uploadExtism(c echo.Context, t *control.Tenant, from io.Reader) (m spec.Module, created bool, err error) {
	f, err := spool(&boundedReader{from: from, left: maxExtism, err: extismTooLarge})
	if err != nil {
		return m, false, err
	}
	defer func() { _ = f.Close() }() // it has no name any more
	ctx := c.Request().Context()
	leave, err := s.extism.take(ctx)
	if err != nil {
		return m, false, err
	}
	defer leave()
	src, err := whole(f)
	if err != nil {
		return m, false, err
	}
	return t.AddExtismModule(ctx, src, nil)
}

func extismTooLarge() error {
	return fault.New(fault.ModuleTooLarge, "the Extism manifest is larger than %d bytes", maxExtism).
		WithHint("Upload the module as application/wasm, and set config, limits and grants with the connector.")
}

// whole is all of a file that was just written.
func whole(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "upload")
	}
	src := make([]byte, info.Size())
	if _, err := io.ReadFull(f, src); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "upload")
	}
	return src, nil
}

// uploadForm reads the parts one after the other, and holds none but the
// manifest in memory. A module that comes before the manifest waits for it in
// a file.
func (s *Server) uploadForm(c echo.Context, t *control.Tenant, form *multipart.Reader) (m spec.Module, created bool, err error) {
	digest, err := announcedForm(c.QueryParam("sha256"), c.Request().Header)
	if err != nil {
		return m, false, err
	}
	var manifest []byte
	var early *os.File
	defer func() {
		if early != nil {
			_ = early.Close() // it has no name any more
		}
	}()
	for range maxParts {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && early != nil:
			return t.AddModule(c.Request().Context(), early, manifest, digest)
		case errors.Is(err, io.EOF):
			return m, false, fault.New(fault.BodyInvalid, "the form has no part named module")
		case err != nil:
			return m, false, broken(err)
		case part.FormName() == "manifest" && manifest == nil:
			manifest, err = readManifest(part)
		case part.FormName() == "module" && early == nil && manifest != nil:
			if digest, err = announced(digest, http.Header(part.Header)); err != nil {
				return m, false, err
			}
			return t.AddModule(c.Request().Context(), s.bounded(part), manifest, digest)
		case part.FormName() == "module" && early == nil:
			if digest, err = announced(digest, http.Header(part.Header)); err == nil {
				early, err = spool(s.bounded(part))
			}
		}
		if err != nil {
			return m, false, err
		}
	}
	return m, false, fault.New(fault.BodyInvalid, "the form has %d parts or more", maxParts)
}

func readManifest(part io.Reader) ([]byte, error) {
	manifest, err := io.ReadAll(io.LimitReader(part, abi.MaxManifest+1))
	if err != nil {
		return nil, broken(err)
	}
	if len(manifest) > abi.MaxManifest {
		return nil, fault.New(fault.TooLarge, "the manifest is larger than %d bytes", abi.MaxManifest)
	}
	return manifest, nil
}

// spool puts what comes into a file without a name, which a crash leaves
// nothing of.
func spool(from io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "snaprail-upload-*")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "upload")
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fault.Wrap(fault.Internal, err, "upload")
	}
	if _, err = io.Copy(f, from); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, broken(err)
	}
	return f, nil
}

// bounded ends with a fault when the module is too large, so that nobody takes
// the start of one for the whole.
func (s *Server) bounded(r io.Reader) io.Reader {
	return &boundedReader{from: r, left: s.cfg.MaxModule, err: s.tooLarge}
}

func (s *Server) tooLarge() error {
	return fault.New(fault.ModuleTooLarge, "the module is larger than %d bytes", s.cfg.MaxModule)
}

// uploadFailed finds what the client has to know in what went wrong.
func (s *Server) uploadFailed(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return s.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(fault.BodyInvalid, "the upload was silent for %s", s.pace.silence).
			WithHint("Send it again over a connection that does not stall.")
	}
	return err
}

// broken is what became of reading a form; a fault in it stays one.
func broken(err error) error {
	if known, ok := errors.AsType[*fault.Fault](err); ok {
		return known
	}
	return fault.Wrap(fault.BodyInvalid, err, "the form cannot be read")
}

// boundedReader fails as soon as there is more than left bytes.
type boundedReader struct {
	from io.Reader
	left int64
	err  func() error
}

// Read reads at most one byte beyond the bound, to see whether there is one.
func (b *boundedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.err()
	}
	return n, err
}

// patientReader lets a client be slow, but not silent.
type patientReader struct {
	from io.Reader
	conn *http.ResponseController
	idle time.Duration
}

// Read gives the client a while for the next bytes. After the last ones the
// server listens for the client's going, which a deadline would feign.
func (p *patientReader) Read(b []byte) (int, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(p.idle)) // not every writer has one
	n, err := p.from.Read(b)
	if err != nil {
		_ = p.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
