package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// against is a client of a server with this handler.
func against(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := New(Config{Server: srv.URL + "/", Token: "snr_x", Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return c
}

func TestProblemsComeBackAsFaults(t *testing.T) {
	for _, k := range fault.Kinds() {
		info := k.Info()
		c := against(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(info.Status)
			_ = json.NewEncoder(w).Encode(Problem{
				Title: info.Title, Status: info.Status, Detail: "what happened", Code: info.Code, Hint: "do this",
				Errors: []fault.Field{{Pointer: "/a", Detail: "is wrong"}}, Offset: 7, RetryAfterMS: 1500,
			})
		})
		_, err := c.Connector(t.Context(), "x")
		f := fault.Of(err)
		if f.Kind != k || f.Text != "what happened" || f.Advice() != "do this" || f.Offset != 7 ||
			f.RetryAfter != 1500*time.Millisecond || len(f.Fields) != 1 {
			t.Errorf("%v: %+v", k, f)
		}
	}
}

func TestAnswersOfStrangers(t *testing.T) {
	for status, want := range map[int]fault.Kind{
		401: fault.Unauthenticated, 403: fault.Denied, 404: fault.NotFound, 409: fault.Exists, 412: fault.StaleRevision,
		418: fault.Invalid, 429: fault.Exhausted, 500: fault.Internal, 502: fault.Unreachable, 503: fault.ShuttingDown,
		504: fault.Timeout, 301: fault.Invalid,
	} {
		c := against(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>")
		})
		if _, err := c.Connector(t.Context(), "x"); !fault.Is(err, want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	c := against(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if _, err := c.Connector(t.Context(), "x"); !fault.Is(err, fault.Internal) {
		t.Error(err)
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Version(t.Context()); !fault.Is(err, fault.Unreachable) {
		t.Error(err)
	}
	err = c.Stream(t.Context(), StreamOptions{}, func(Record) error { return nil })
	if !fault.Is(err, fault.Unreachable) {
		t.Error(err)
	}
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "http://", "http://%"} {
		if _, err := New(Config{Server: bad}); !fault.Is(err, fault.Usage) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	c := against(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c.cfg.Timeout = 20 * time.Millisecond
	if _, err := c.Version(t.Context()); !fault.Is(err, fault.Timeout) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Version(ctx); !fault.Is(err, fault.Canceled) {
		t.Error(err)
	}
}

func TestRequests(t *testing.T) {
	var seen []string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("If-Match"), body)))
		if r.Header.Get("Authorization") != "Bearer snr_x" {
			t.Errorf("%s has no token", r.URL)
		}
		_, _ = io.WriteString(w, "{}")
	})
	ctx := t.Context()
	_, _ = c.CreateConnector(ctx, json.RawMessage(`{"a":1}`))
	_, _ = c.UpdateConnector(ctx, "a/b ü", json.RawMessage(`{}`), 7)
	_ = c.DeleteConnector(ctx, "a", 0)
	_, _ = c.TestConnector(ctx, "a")
	_, _ = c.Activate(ctx, "a")
	_, _ = c.Deactivate(ctx, "a")
	_, _ = c.Reconnect(ctx, "a")
	_, _ = c.Lanes(ctx, "a")
	_, _ = c.Module(ctx, "abc")
	_ = c.DeleteModule(ctx, "abc")
	_, _ = c.Devices(ctx, "a&b")
	_, _ = c.Logs(ctx, "a", 9)
	want := []string{
		`POST /api/connectors  {"a":1}`, `PUT /api/connectors/a%2Fb%20%C3%BC "7" {}`, `DELETE /api/connectors/a`,
		`POST /api/connectors/a/test`, `POST /api/connectors/a/activate`, `POST /api/connectors/a/deactivate`,
		`POST /api/connectors/a/reconnect`, `GET /api/connectors/a/lanes?limit=500`,
		`GET /api/modules/abc`, `DELETE /api/modules/abc *`, `GET /api/devices?connector=a%26b&limit=500`, `GET /api/connectors/a/logs?after=9`,
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got\n%q\nwant\n%q", seen, want)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("after") {
		case "":
			_, _ = io.WriteString(w, `{"items":[{"id":"a"},{"id":"b"}],"next":"b"}`)
		case "b":
			_, _ = io.WriteString(w, `{"items":[{"id":"c"}]}`)
		}
	})
	list, err := c.Connectors(t.Context())
	if err != nil || len(list) != 3 || list[2].ID != "c" {
		t.Errorf("%+v %v", list, err)
	}
}

func TestPushModule(t *testing.T) {
	wasm := strings.Repeat("w", 100_000)
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		got := map[string]string{}
		if kind == "multipart/form-data" {
			for form := multipart.NewReader(r.Body, params["boundary"]); ; {
				p, err := form.NextPart()
				if err != nil {
					break
				}
				body, _ := io.ReadAll(p)
				got[p.FormName()] = string(body)
			}
			w.WriteHeader(http.StatusCreated)
		} else {
			body, _ := io.ReadAll(r.Body)
			got["module"] = string(body)
		}
		if got["module"] != wasm || (kind != "application/wasm" && got["manifest"] != "{}") {
			t.Errorf("%s: %.50v", kind, got)
		}
		_, _ = io.WriteString(w, `{"digest":"d"}`)
	})
	for manifest, want := range map[string]bool{"": false, "{}": true} {
		var sidecar []byte
		if manifest != "" {
			sidecar = []byte(manifest)
		}
		m, created, err := c.PushModule(t.Context(), strings.NewReader(wasm), sidecar)
		if err != nil || created != want || m.Digest != "d" {
			t.Errorf("%v %v %v", m, created, err)
		}
	}
}

// TestStreamGoesOnBehindTheLastRecord: connections break in every way there
// is, and each record comes once.
func TestStreamGoesOnBehindTheLastRecord(t *testing.T) {
	var asked []string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		send := func(n int) {
			_, _ = fmt.Fprintf(w, "id: 1.%d\nevent: record\ndata: {\"position\":\"1.%d\",\"values\":{\"b\":1,\"a\":2}}\n\n", n, n)
		}
		switch len(asked) {
		case 1:
			_, _ = io.WriteString(w, "retry: 2000\n\n: \n\nevent: unknown\ndata: {}\n\n")
			send(0)
			send(1)
			_, _ = io.WriteString(w, "id: 1.2\nevent: record\ndata: {\"posi") // cut off
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			send(2)
			_, _ = io.WriteString(w, "event: problem\ndata: {\"code\":\"shutting_down\",\"status\":503,\"detail\":\"bye\"}\n\n")
		default:
			send(3)
		}
	})
	enough := errors.New("enough")
	var got []string
	var losses int
	err := c.Stream(t.Context(), StreamOptions{From: "start", Lost: func(error) { losses++ }}, func(r Record) error {
		if r.Values[0].Name != "b" || string(r.Values[1].JSON) != "2" || !json.Valid(r.Raw) {
			t.Errorf("%+v", r)
		}
		if got = append(got, r.Position); len(got) == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(got, []string{"1.0", "1.1", "1.2", "1.3"}) || losses != 3 {
		t.Errorf("%v %v, lost %d times", got, err, losses)
	}
	if !slices.Equal(asked, []string{"", "1.1", "1.1", "1.2"}) {
		t.Errorf("asked behind %q", asked)
	}
}

func TestStreamEndsWhenItIsRefused(t *testing.T) {
	n := 0
	c := against(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 1 {
			_, _ = io.WriteString(w, "event: problem\ndata: {\"code\":\"unauthenticated\",\"status\":401,\"detail\":\"gone\"}\n\n")
			return
		}
		t.Error("it asks again")
	})
	err := c.FollowLogs(t.Context(), "x", 3, nil, func(LogLine) error { return nil })
	if !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("id: 1\nevent: record\ndata: {}\n\n")
	f.Add(": \n\ndata: a\ndata: b\r\n\r\nevent\n\ndata")
	f.Fuzz(func(t *testing.T, text string) {
		e := newEvents(strings.NewReader(text))
		for range len(text) + 1 {
			ev, err := e.next(func() {})
			if err != nil {
				return
			}
			if ev.name == "record" {
				_, _ = parseRecord(ev.data)
			}
		}
		t.Error("more events than bytes")
	})
}
