package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestAbuse30SlowReadersCostLittle: whoever opens streams and reads nothing
// costs the server less than 64 KiB each, whatever the size of the records.
func TestAbuse30SlowReadersCostLittle(t *testing.T) {
	const clients, most = 40, 64 << 10
	for name, lines := range map[string]struct{ count, size int }{
		"large records": {60, 250 << 10}, "small records": {12000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.api.pace.slow = time.Hour // nobody is dropped here
			body := strings.Repeat(strings.Repeat("x", lines.size)+"\n", lines.count)
			r.must(writeFile(r.dir+"/big.txt", body))
			r.post("/api/connectors", tailSpec("big", r.upload("filetail").Digest, r.dir+"/big.txt"))
			r.post("/api/connectors/big/activate", "")
			r.until("the records", func() bool { return r.records("big") == uint64(lines.count) })
			before := heap()
			for range clients {
				conn := r.dial()
				r.must(conn.SetReadBuffer(4096))
				_, err := fmt.Fprintf(conn, "GET /api/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", r.token)
				r.must(err)
			}
			r.until("the streams", func() bool { return r.api.streams.count() == clients })
			r.until("the writes to block", r.settled())
			got := (heap() - before) / clients
			t.Logf("%d bytes of heap for each of %d readers", got, clients)
			if got > most {
				t.Errorf("%d bytes of heap for each reader", got)
			}
		})
	}
}

func (r *rig) post(path, body string) {
	r.t.Helper()
	if p := r.call(http.MethodPost, path, body); p.status >= http.StatusBadRequest {
		r.t.Fatalf("%s: %d %s", path, p.status, p.body)
	}
}

// records are how many a connector has emitted.
func (r *rig) records(connector string) uint64 {
	r.t.Helper()
	var c client.Connector
	r.call(http.MethodGet, "/api/connectors/"+connector, "").ok(http.StatusOK, &c)
	return c.Runtime.Counters.Records
}

// settled reports whether the heap has stayed as it is for a while.
func (r *rig) settled() func() bool {
	last, same := int64(0), 0
	return func() bool {
		now := heap()
		if d := now - last; d < 256<<10 && d > -256<<10 {
			same++
		} else {
			same = 0
		}
		last = now
		return same > 20
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools hold is given up by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// tardy is a reader that takes a while for each write.
type tardy struct {
	http.ResponseWriter
	takes time.Duration
}

func (w *tardy) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *tardy) Write(p []byte) (int, error) {
	time.Sleep(w.takes) //nolint:forbidigo // in a bubble, where time is not the clock's
	return w.ResponseWriter.Write(p)
}

// counted is a feed that counts how often it was put to rest.
type counted struct {
	flood
	rested int
}

func (f *counted) rest() { f.rested++ }

func (f *counted) push(_ context.Context, p *pusher) (bool, error) {
	r := control.Record{Position: "1.1", Payload: bytes.Repeat([]byte("x"), 1<<10)}
	return p.end(appendRecord(p.begin("record", r.Position), &r)), nil
}

// TestSlowReadersAreToldThatTheyLag: whoever takes long for each write is
// dropped at the end of an event, and told where to go on.
func TestSlowReadersAreToldThatTheyLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := echo.New()
		s := &Server{cfg: Config{}.withDefaults(), pace: usualPace()}
		recorder := httptest.NewRecorder()
		c := e.NewContext(httptest.NewRequest(http.MethodGet, "/", nil), &tardy{recorder, 4 * time.Second})
		p := &pusher{w: c.Response(), conn: controller(c), slow: s.pace.slow}
		f := &counted{}
		for range 3 { // slowly, but in time
			if _, err := f.push(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if err := s.flush(f, p); err != nil {
				t.Fatal(err)
			}
		}
		if f.rested != 3 {
			t.Errorf("the feed was put to rest %d times", f.rested)
		}
		c.Response().Writer.(*tardy).takes = 6 * time.Second
		if _, err := f.push(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(f, p); !errors.Is(err, errLags) {
			t.Fatalf("got %v", err)
		}
		p.say("lagged", f.place(), s.whyEnds(c, fault.New(fault.Timeout, "the reader is too slow")))
		events := strings.Split(strings.TrimSpace(recorder.Body.String()), "\n\n")
		last := events[len(events)-1]
		if len(events) != 5 || !strings.HasPrefix(last, "id: 1.1\nevent: lagged\ndata: {") {
			t.Errorf("%d events, the last is %s", len(events), last)
		}
		var problem client.Problem
		if err := json.Unmarshal([]byte(last[strings.Index(last, "{"):]), &problem); err != nil || problem.Code != "timeout" {
			t.Errorf("%v %s", err, last)
		}
	})
}

// TestStreamGoesOnAfterARest: what a stream let go of while its reader was
// slow comes again, no record twice and none left out, also behind "now".
func TestStreamGoesOnAfterARest(t *testing.T) {
	r := newRig(t)
	r.activated("meter", 300)
	r.until("records", func() bool { return r.records("meter") == 300 })
	tenant, err := r.api.cfg.Control.Tenant("plant")
	r.must(err)
	who, err := r.api.cfg.Tokens.Verify(t.Context(), r.token)
	r.must(err)
	tenant = tenant.By(who)
	f := &recordFeed{tenant: tenant, append: appendRecord, large: newTurns("large", 1, time.Hour), close: r.api.close}
	defer f.rest()
	w := httptest.NewRecorder()
	c := r.api.echo.NewContext(httptest.NewRequest(http.MethodGet, "/", nil), w)
	p := &pusher{w: c.Response(), conn: controller(c), lines: true, slow: time.Second}
	for i := range 300 {
		if i%7 == 0 {
			f.rest()
		}
		if _, err := f.push(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	r.must(p.flush())
	for i, line := range strings.Split(strings.TrimSpace(w.Body.String()), "\n") {
		if !strings.Contains(line, fmt.Sprintf(`"line %d"`, i)) && !strings.Contains(line, fmt.Sprintf(`line %d\n`, i)) {
			t.Fatalf("record %d is %s", i, line)
		}
	}
	now := &recordFeed{tenant: tenant, append: appendRecord, options: control.StreamOptions{After: "now"}, large: f.large, close: r.api.close}
	defer now.rest()
	r.must(now.open(t.Context()))
	now.rest() // before anything has come
	r.must(appendFile(r.dir+"/meter.txt", "the next one\n"))
	w.Body.Reset()
	if _, err := now.push(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	r.must(p.flush())
	if got := w.Body.String(); !strings.Contains(got, "the next one") {
		t.Errorf("behind now came %s", got)
	}
}
