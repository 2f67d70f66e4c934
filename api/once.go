package api

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

const (
	// maxKey bounds an Idempotency-Key.
	maxKey = 255
	// maxRemembered is the most of an answer that is held until it is kept.
	maxRemembered = 1 << 20
	// onceRest is how much of a body is read behind what a handler wanted of
	// it, to know the whole of it.
	onceRest = 64 << 10
	onceWait = time.Second
)

// withheldSecret is why an answer that may hold a secret is not kept: it is shown
// once, and nothing of it is stored.
const withheldSecret = "it may hold a secret, which is shown once" //nolint:gosec // says so, and is none

// metaSecret marks, in the metadata of an operation, that its answer holds a
// secret.
const metaSecret = "answers with a secret"

// showsSecret is the metadata of an operation whose answer holds a secret that
// is shown once, such as a new token, or may hold what is not for us to keep, such
// as the mail that a connector was asked for: the answer is never kept for an
// Idempotency-Key. Only that it was given is.
func showsSecret() map[string]any { return map[string]any{metaSecret: true} }

// onceKeys are the keys of requests that are under way. Use by several
// goroutines is safe.
type onceKeys struct {
	mu   sync.Mutex
	busy map[string]struct{}
}

func newOnceKeys() *onceKeys { return &onceKeys{busy: map[string]struct{}{}} }

func (k *onceKeys) enter(key string) (leave func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, busy := k.busy[key]; busy {
		return nil, fault.New(fault.IdempotencyBusy, "a request with this key is under way").WithRetryAfter(onceWait)
	}
	k.busy[key] = struct{}{}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.busy, key)
	}, nil
}

// once runs a POST with an Idempotency-Key once: when the same request comes
// again within 24 hours, it gives the answer of the first time. A request that
// was refused or failed has done nothing, so nothing is kept of it.
//
// An answer is kept before it is sent. A server that is killed between a
// change and the keeping of its answer does not know of it.
func (s *Server) once(c echo.Context, handle func() error) error {
	r := c.Request()
	key := r.Header.Get(headerIdempotencyKey)
	if key == "" || r.Method != http.MethodPost {
		return handle()
	}
	if err := checkKey(key); err != nil {
		return err
	}
	who := identityOf(c)
	answers, err := s.cfg.Control.Answers(who)
	if err != nil {
		return err
	}
	leave, err := s.keys.enter(strings.Join([]string{who.Tenant, string(who.Kind), who.ID, key}, "\x00"))
	if err != nil {
		return err
	}
	defer leave()
	known, found, err := answers.Find(r.Context(), key)
	if err != nil {
		return err
	}
	request := newFingerprint(r, who)
	if found {
		return s.replay(c, known, request)
	}
	r.Body = request
	answer := &remembered{ResponseWriter: c.Response().Writer}
	err = answer.of(c, handle)
	if err == nil && answer.done() && request.whole() {
		err := answers.Keep(r.Context(), key, s.keepable(c, answer, request.sum()))
		if err != nil { // it was done, whatever becomes of its answer
			s.cfg.Log.Warn("answer not kept for its Idempotency-Key", "request", requestID(c), "error", err)
		}
	}
	answer.release()
	return err
}

func checkKey(key string) error {
	if len(key) <= maxKey && !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil
	}
	return fault.New(fault.Invalid, "%s is 1 to %d printable characters of ASCII", headerIdempotencyKey, maxKey).
		WithHint("Take a random UUID.")
}

// keepable is what is kept of an answer.
func (s *Server) keepable(c echo.Context, answer *remembered, request []byte) control.Answer {
	kept := control.Answer{Request: request, Status: answer.status, Header: map[string]string{}}
	for _, name := range []string{"Content-Type", "Location", "ETag"} {
		if v := answer.Header().Get(name); v != "" {
			kept.Header[name] = v
		}
	}
	switch {
	case s.secrets[c.Request().Method+" "+c.Path()]:
		kept.Withheld = withheldSecret
	default:
		kept.Body = answer.body.Bytes()
	}
	return kept
}

// replay gives the answer that was kept, if the request is the same.
func (s *Server) replay(c echo.Context, known control.Answer, request *fingerprint) error {
	r := c.Request()
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		leave, err := s.uploads.enter(identityOf(c).Tenant)
		if err != nil {
			return err
		}
		defer leave()
	}
	patient := &patientReader{
		from: http.MaxBytesReader(c.Response(), request, s.cfg.MaxModule+uploadSlack),
		conn: controller(c), idle: s.pace.silence,
	}
	if _, err := io.Copy(io.Discard, patient); err != nil {
		return s.uploadFailed(broken(err))
	}
	if !bytes.Equal(known.Request, request.sum()) {
		return fault.New(fault.IdempotencyMismatch, "the key was used for another request at %s", known.At.Format(time.RFC3339))
	}
	h := c.Response().Header()
	h.Set(headerReplayed, "true")
	if known.Withheld != "" {
		return fault.New(fault.Exists, "the request was done at %s, and its answer is not kept: %s", known.At.Format(time.RFC3339), known.Withheld).
			WithHint("Look at what it made; if its secret is lost, remove it and make another with a new key.")
	}
	for name, value := range known.Header {
		h.Set(name, value)
	}
	c.Response().WriteHeader(known.Status)
	_, _ = c.Response().Write(known.Body) // a client that has gone is no fault
	return nil
}

// fingerprint is the body of a request that is digested while it is read,
// together with what it is sent to, and with what whoever sends it may do: who
// may less by now is not given what they were answered when they might more.
type fingerprint struct {
	io.ReadCloser
	digest hash.Hash
	ended  bool
}

func newFingerprint(r *http.Request, who identity.Identity) *fingerprint {
	f := &fingerprint{ReadCloser: r.Body, digest: sha256.New(), ended: r.Body == nil || r.Body == http.NoBody}
	if f.ReadCloser == nil {
		f.ReadCloser = http.NoBody
	}
	fmt.Fprintf(f.digest, "%q %q ", who.Role, who.Scopes)
	fmt.Fprintf(f.digest, "%s %q %q %q ", r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"))
	return f
}

// Read digests what it reads.
func (f *fingerprint) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.digest.Write(p[:n])
	f.ended = f.ended || errors.Is(err, io.EOF)
	return n, err
}

// whole reads a short rest, and reports whether all of the body was read.
func (f *fingerprint) whole() bool {
	if !f.ended {
		_, _ = io.CopyN(io.Discard, f, onceRest) // ended says what became of it
	}
	return f.ended
}

func (f *fingerprint) sum() []byte { return f.digest.Sum(nil) }

// remembered holds an answer back until it is kept. One that is too large
// goes on at once, and is not kept.
type remembered struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	passed bool
}

// of runs a handler whose answer it holds back.
func (w *remembered) of(c echo.Context, handle func() error) error {
	c.Response().Writer = w
	defer func() { c.Response().Writer = w.ResponseWriter }() // a handler that panics is answered, too
	return handle()
}

// WriteHeader notes the status.
func (w *remembered) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write holds the body back.
func (w *remembered) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if !w.passed && w.body.Len()+len(p) > maxRemembered {
		w.release()
	}
	if w.passed {
		return w.ResponseWriter.Write(p)
	}
	return w.body.Write(p)
}

// Unwrap lets deadlines reach the connection.
func (w *remembered) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError does nothing: what is held back is not sent yet.
func (w *remembered) FlushError() error { return nil }

// done reports whether the answer says that the request was done, and is
// there as a whole.
func (w *remembered) done() bool {
	return w.status >= http.StatusOK && w.status < http.StatusMultipleChoices && !w.passed
}

// release sends what was held back.
func (w *remembered) release() {
	if w.status == 0 || w.passed {
		return
	}
	w.passed = true
	w.ResponseWriter.WriteHeader(w.status)
	_, _ = w.ResponseWriter.Write(w.body.Bytes()) // a client that has gone is no fault
}

// noteSecret remembers an operation whose answer holds a secret.
func (s *Server) noteSecret(op *huma.Operation) {
	if op.Metadata[metaSecret] == nil {
		return
	}
	path := strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
	s.secrets[op.Method+" "+path] = true
}
