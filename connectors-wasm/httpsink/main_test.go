package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func example(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(readme(t))[1]
}

// received is one request.
type received struct {
	body   string
	header http.Header
}

// rig is a sink before a server of one handler.
type rig struct {
	*guesttest.Harness

	t      *testing.T
	got    []received
	answer func(w http.ResponseWriter, body string)
	lines  *[]abi.LogLine
}

func opened(t *testing.T, config string) *rig {
	t.Helper()
	r := &rig{Harness: guesttest.New(t, &sink{}), t: t, answer: func(http.ResponseWriter, string) {}}
	r.Web(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		src := io.Reader(q.Body)
		if q.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(q.Body)
			if err != nil {
				w.WriteHeader(400)
				return
			}
			src = unpacked
		}
		body, _ := io.ReadAll(src)
		r.got = append(r.got, received{string(body), q.Header})
		r.answer(w, string(body))
	})).Secrets["ingest"] = "s3cret"
	r.lines = r.Log()
	r.MustOpen(config)
	return r
}

// deliver hands records in, and answers the verdicts as text.
func (r *rig) deliver(parts ...abi.DeliverPart) string {
	r.t.Helper()
	out := r.MustDeliver(parts...)
	words := make([]string, len(out.Verdicts))
	for i, v := range out.Verdicts {
		words[i] = fmt.Sprintf("%d:%s", v.Input, map[abi.Decision]string{abi.DecisionReject: "reject", abi.DecisionRetry: fmt.Sprintf("retry %d", v.RetryAfterMS)}[v.Decision])
	}
	return strings.Join(words, " ")
}

func reading1(n int) abi.Record {
	return abi.Record{Device: "pump1", Time: 1_700_000_000_000_000_000, Points: []abi.Point{{Name: "n", Value: abi.Int(int64(n))}}}
}

func readings(n int) (list []abi.Record) {
	for i := range n {
		list = append(list, reading1(i))
	}
	return list
}

func pressure() abi.DeliverPart {
	p := guesttest.Delivery("hall", 17, abi.Record{
		Device: "pump1", Time: 1_700_000_000_000_000_000, Points: []abi.Point{{Name: "pressure", Unit: "bar", Value: abi.Double(4.2)}},
	})
	p.ID, p.Received = "con_1", 1_700_000_001_000_000_000
	return p
}

// indented is the block of README.md that begins like this.
func indented(t *testing.T, begin string) string {
	t.Helper()
	for line := range strings.SplitSeq(readme(t), "\n") {
		if text, ok := strings.CutPrefix(line, "    "); ok && strings.HasPrefix(text, begin) {
			return text
		}
	}
	t.Fatalf("no block begins %s", begin)
	return ""
}

func TestWorkedExample(t *testing.T) {
	r := opened(t, example(t))
	if said := r.deliver(pressure()); said != "" || len(r.got) != 1 {
		t.Fatalf("%s, %v", said, r.got)
	}
	q := r.got[0]
	if want := indented(t, `{"key"`) + "\n"; q.body != want {
		t.Errorf("got  %s\nwant %s", q.body, want)
	}
	if q.header.Get("Authorization") != "Bearer s3cret" || q.header.Get("Content-Type") != "application/x-ndjson" || q.header.Get("Idempotency-Key") != "con_1/1/17" {
		t.Errorf("%v", q.header)
	}
	r = opened(t, `{"url":"https://a.example/x","format":"cloudevents"}`)
	r.deliver(pressure())
	if want := indented(t, `[{"specversion"`); r.got[0].body != want || r.got[0].header.Get("Content-Type") != "application/cloudevents-batch+json" {
		t.Errorf("got  %s\nwant %s", r.got[0].body, want)
	}
}

// Whatever a record holds, each form is valid JSON, and a line is one.
func TestForms(t *testing.T) {
	odd := []abi.Record{
		{Device: "ab\"\n", Kind: abi.KindEvent, Payload: []byte("{\n \"a\": 1}"), ContentType: "application/json; charset=utf-8", Key: []byte{0xff}, Headers: []abi.Header{{Name: "h", Value: []byte{0xff}}, {Name: "i", Value: []byte("j")}}},
		{Device: "b", Payload: []byte("{"), ContentType: "application/json"},
		{Device: "c", Payload: []byte("l1\nl2"), ContentType: "text/plain"},
		{Payload: []byte{1, 0xff}},
		{Kind: abi.KindGap},
		{Kind: 99, Time: math.MinInt64},
		{Points: []abi.Point{
			{Name: "x", Value: abi.Double(math.NaN())},
			{Name: "x", Value: abi.Double(math.Inf(1))},
			{Name: "y", Value: abi.Bytes([]byte{1})},
			{Name: "z"},
			{Name: "u", Value: abi.Uint(math.MaxUint64), Unit: "V"},
			{Name: "b", Value: abi.Bool(true)},
			{Name: "s", Value: abi.String("\u2028<&>")},
		}},
	}
	for _, format := range []string{formatJSON, formatLines, formatCloudEvent} {
		r := opened(t, fmt.Sprintf(`{"url":"https://a.example/x","format":%q}`, format))
		if said := r.deliver(guesttest.Delivery("c", 0, odd...)); said != "" {
			t.Errorf("%s: %s", format, said)
		}
		body, n := r.got[0].body, 0
		if format == formatLines {
			for line := range strings.Lines(body) {
				if n++; !json.Valid([]byte(line)) {
					t.Errorf("%s", line)
				}
			}
		} else {
			var list []map[string]any
			if err := json.Unmarshal([]byte(body), &list); err != nil {
				t.Errorf("%s: %v\n%s", format, err, body)
			}
			n = len(list)
		}
		if n != len(odd) {
			t.Errorf("%s: %d records, want %d", format, n, len(odd))
		}
	}
}

// What the server does not take now is held with all behind it, and waits longer
// each time unless the server says how long.
func TestHeld(t *testing.T) {
	r := opened(t, `{"url":"https://a.example/x"}`)
	status, header := 0, ""
	r.answer = func(w http.ResponseWriter, _ string) {
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.WriteHeader(status)
	}
	for i, c := range []struct {
		status int
		header string
		want   string
	}{
		{503, "", "0:retry 1000"},
		{503, "", "0:retry 2000"},
		{429, "7", "0:retry 7000"},
		{500, "", "0:retry 8000"},
		{408, "", "0:retry 16000"},
		{401, "", "0:retry 32000"},
		{404, "", "0:retry 60000"},
		{302, "", "0:retry 60000"},
		{200, "", ""},
		{502, "", "0:retry 1000"},
		{503, "99999999", "0:retry 2000"},
	} {
		status, header = c.status, c.header
		if said := r.deliver(guesttest.Delivery("a", 0, readings(3)...)); said != c.want {
			t.Errorf("%d. %d: %q, want %q", i, c.status, said, c.want)
		}
	}
	for _, q := range r.got {
		if q.header.Get("Idempotency-Key") != "a/1/0..a/1/2/3" {
			t.Errorf("%v", q.header)
		}
	}
	texts := fmt.Sprint(*r.lines)
	if !strings.Contains(texts, "it delivers again") || strings.Count(texts, "answers 503") != 2 {
		t.Errorf("log %s", texts)
	}
}

// A record that the server refuses is found, and the others are delivered.
func TestRefused(t *testing.T) {
	r := opened(t, `{"url":"https://a.example/x"}`)
	taken := 0
	r.answer = func(w http.ResponseWriter, body string) {
		if strings.Contains(body, `"n":77}`) || strings.Contains(body, `"n":200}`) {
			w.WriteHeader(422)
			fmt.Fprint(w, "no such n")
			return
		}
		taken += strings.Count(body, `"n":`)
	}
	if said := r.deliver(guesttest.Delivery("a", 0, readings(100)...), guesttest.Delivery("b", 0, readings(150)...)); said != "77:reject 177:reject" || taken != 248 {
		t.Errorf("%s, %d taken", said, taken)
	}
	r.answer = func(w http.ResponseWriter, _ string) { w.WriteHeader(400) }
	r.got = nil
	said := r.deliver(guesttest.Delivery("a", 0, readings(256)...))
	if len(r.got) != maxRequests || !strings.HasSuffix(said, "retry 0") || !strings.HasPrefix(said, "0:reject 1:reject") {
		t.Errorf("%d requests, %s", len(r.got), said)
	}
}

// A batch that is too long goes in several requests; a record that is, not at all.
func TestLong(t *testing.T) {
	r := opened(t, `{"url":"https://a.example/x"}`)
	long := func(n int) abi.Record {
		return abi.Record{Device: "d", ContentType: "text/plain", Payload: []byte(strings.Repeat("x", n))}
	}
	said := r.deliver(guesttest.Delivery("a", 0, long(300<<10), long(300<<10), long(300<<10)), guesttest.Delivery("a", 3, long(1_000_000)), guesttest.Delivery("a", 4, long(10)))
	if said != "3:reject" || len(r.got) != 3 {
		t.Errorf("%s, %d requests", said, len(r.got))
	}
	for _, q := range r.got {
		if len(q.body) > maxBody+1024 {
			t.Errorf("%d bytes", len(q.body))
		}
	}
	packed := opened(t, `{"url":"https://a.example/x","gzip":true}`)
	if said := packed.deliver(guesttest.Delivery("a", 0, long(1_000_000))); said != "" {
		t.Errorf("compressed: %s", said)
	}
}

// whole sends all that it is handed in one batch, whatever fits.
type whole struct{ *sink }

func (w whole) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	w.read(in, step)
	w.send(0, len(w.items))
	return nil
}

// A batch that cannot be made is made of fewer records: none is called delivered
// that was not sent.
func TestABatchThatIsTooLargeIsSplit(t *testing.T) {
	h := guesttest.New(t, whole{&sink{}})
	h.Log()
	var got []string
	h.Web(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		got = append(got, fmt.Sprint(strings.Count(string(body), `"device"`)))
	}))
	h.MustOpen(`{"url":"https://a.example/x"}`)
	long := func(n int) abi.Record {
		return abi.Record{Device: "d", ContentType: "text/plain", Payload: []byte(strings.Repeat("x", n))}
	}
	out := h.MustDeliver(guesttest.Delivery("a", 0, long(10), long(10)), guesttest.Delivery("a", 2, long(800_000)), guesttest.Delivery("a", 3, long(10)))
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 2 || out.Verdicts[0].Decision != abi.DecisionReject || strings.Join(got, " ") != "2 1" {
		t.Errorf("%+v, sent %v", out.Verdicts, got)
	}
}

// What is to be done about a request that failed goes with the records that it holds.
func TestNobodyThere(t *testing.T) {
	r := opened(t, `{"url":"https://a.example/x"}`)
	r.HTTP(func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{}, &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant", Hint: "Grant it.", RetryAfterMS: 5000}
	})
	out := r.MustDeliver(guesttest.Delivery("a", 0, readings(2)...))
	want := abi.Verdict{Decision: abi.DecisionRetry, Reason: "no grant", RetryAfterMS: 5000, Kind: abi.FaultDenied, Hint: "Grant it."}
	if len(out.Verdicts) != 1 || out.Verdicts[0] != want {
		t.Errorf("%+v", out.Verdicts)
	}
}

func TestTest(t *testing.T) {
	h := guesttest.New(t, &sink{})
	status, page := 0, ""
	asked := h.Web(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprint(w, page)
	})).Asked
	page = "<!DOCTYPE HTML>\n<html lang=\"en\">"
	for _, c := range []struct {
		status  int
		success bool
		says    string
	}{
		{200, true, "the server answers 200"},
		{405, true, "does not say what it takes"},
		{501, true, "does not say what it takes"},
		{404, true, "there is nothing at https://a.example/, or it knows no OPTIONS"},
		{410, true, "there is nothing at https://a.example/, or it knows no OPTIONS"},
		{401, false, "the server answers 401"},
		{403, false, "the server answers 403"},
		{500, false, "the server answers 500 to OPTIONS https://a.example/"},
	} {
		status = c.status
		result, err := h.Test(`{"url":"https://a.example/"}`)
		if err != nil || result.Success != c.success || !strings.Contains(result.Message, c.says) || strings.Contains(result.Message, "<") {
			t.Errorf("%d: %+v, %v", c.status, result, err)
		}
	}
	if q := (*asked)[0]; q.Method != "OPTIONS" || len(q.Body) != 0 {
		t.Errorf("%+v", q)
	}
	before := len(*asked)
	if result, err := h.Test(`{"url":"https://a.example/","test":"none"}`); err != nil || !result.Success || len(*asked) != before {
		t.Errorf("%+v, %v, asked %d times", result, err, len(*asked)-before)
	}
	h.HTTP(func(abi.HTTPRequest) (abi.HTTPResponse, error) { return abi.HTTPResponse{}, errors.New("no") })
	if result, err := h.Test(`{"url":"https://a.example/"}`); err != nil || result.Success {
		t.Errorf("%+v, %v", result, err)
	}
}

// What a server says stands in the reason; a page for browsers, or nothing, does not.
func TestReasons(t *testing.T) {
	for _, c := range []struct{ kind, body, want string }{
		{"text/plain", "no such n\n", "the server answers 422: no such n"},
		{"application/problem+json", `{"title":"x"}`, `the server answers 422: {"title":"x"}`},
		{"text/html; charset=utf-8", "<p>no</p>", "the server answers 422"},
		{"", "  <html>", "the server answers 422"},
		{"TEXT/HTML", "plain", "the server answers 422"},
		{"text/plain", " \n", "the server answers 422"},
	} {
		r := opened(t, `{"url":"https://a.example/x"}`)
		r.answer = func(w http.ResponseWriter, _ string) {
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(422)
			fmt.Fprint(w, c.body)
		}
		out := r.MustDeliver(guesttest.Delivery("a", 0, readings(1)...))
		if len(out.Verdicts) != 1 || out.Verdicts[0].Reason != c.want {
			t.Errorf("%q: %+v, want %q", c.body, out.Verdicts, c.want)
		}
	}
}

// That data is missing is told like a record, and a repeat is known by its source key.
func TestGapsAndSourceKeys(t *testing.T) {
	gap := abi.Record{Kind: abi.KindGap, ContentType: "application/json", Payload: []byte(`{"from":"a","to":"b","reason":"c"}`)}
	keyed := reading1(1)
	keyed.SourceKey = "delivery-7"
	for format, want := range map[string][]string{
		formatLines:      {`"kind":"gap"`, `"payload":{"from":"a","to":"b","reason":"c"}`, `"source_key":"delivery-7"`},
		formatCloudEvent: {`"type":"io.snaprail.gap"`, `"data":{"from":"a","to":"b","reason":"c"}`},
	} {
		r := opened(t, fmt.Sprintf(`{"url":"https://a.example/x","format":%q}`, format))
		if said := r.deliver(guesttest.Delivery("c", 0, gap, keyed)); said != "" {
			t.Error(said)
		}
		for _, text := range want {
			if !strings.Contains(r.got[0].body, text) {
				t.Errorf("no %s in %s", text, r.got[0].body)
			}
		}
	}
}
