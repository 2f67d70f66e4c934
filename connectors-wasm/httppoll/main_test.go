package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)[1])
}

// rig polls a server of one handler.
type rig struct {
	*guesttest.Harness

	t      *testing.T
	web    *guesttest.Web
	lines  *[]abi.LogLine
	cursor []byte
	next   uint64
}

func opened(t *testing.T, config string, answer http.HandlerFunc) *rig {
	t.Helper()
	h := guesttest.New(t, &poller{})
	r := &rig{h, t, h.Web(answer), h.Log(), nil, 0}
	r.KV()
	r.web.Secrets["api"] = "s3cret"
	r.MustOpen(config)
	return r
}

// round polls once, and answers the records as text.
func (r *rig) round() (string, error) {
	r.t.Helper()
	out, err := r.Poll(r.cursor)
	if err != nil {
		return "", err
	}
	if out.Cursor != nil {
		r.cursor = out.Cursor
	}
	r.next = out.NextPollMS
	return told(out), nil
}

func told(out *abi.Outcome) string {
	words := make([]string, len(out.Batch.Records))
	for i, rec := range out.Batch.Records {
		text := string(rec.Payload)
		for _, p := range rec.Points {
			text += fmt.Sprintf("%s=%v%s ", p.Name, plain(p.Value), p.Unit)
		}
		words[i] = fmt.Sprintf("%s@%d %s%s", rec.Device, rec.Time, text, rec.SourceKey)
	}
	return strings.Join(words, "\n")
}

func plain(v abi.Value) any {
	switch v.Type() {
	case abi.ValueInt:
		return v.Int()
	case abi.ValueDouble:
		return v.Double()
	default:
		return v.String()
	}
}

func TestWorkedExample(t *testing.T) {
	var asked []string
	r := opened(t, example(t), func(w http.ResponseWriter, q *http.Request) {
		asked = append(asked, q.URL.RawQuery)
		if q.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, `{"items":[{"id":7,"at":1700000000123,"pressure":4200,"pump":{"id":"pump1","state":"on"}}],"until":"u1"}`)
	})
	got, err := r.round()
	if want := "pump1@1700000000123000000 pressure=4.2bar state=on 7"; got != want || err != nil || r.next != 30_000 {
		t.Errorf("%q, %v, next in %d ms", got, err, r.next)
	}
	if _, err := r.round(); err != nil || strings.Join(asked, " ") != " since=u1" {
		t.Errorf("%q, %v", asked, err)
	}
}

// What has not changed is not read again, and pages are followed at once.
func TestUnchangedAndPages(t *testing.T) {
	changed := 1
	var asked []string
	r := opened(t, `{"url":"https://a.example/x?k=v","each":"/items","page_pointer":"/links/next","id_pointer":"","max_pages":4}`, func(w http.ResponseWriter, q *http.Request) {
		asked = append(asked, q.URL.RequestURI()+" "+q.Header.Get("If-None-Match"))
		tag := fmt.Sprintf(`"v%d"`, changed)
		switch {
		case q.Header.Get("If-None-Match") == tag:
			w.WriteHeader(304)
		case q.URL.Path == "/x":
			w.Header().Set("ETag", tag)
			fmt.Fprint(w, `{"items":[1],"links":{"next":"/x/2"}}`)
		case q.URL.Path == "/x/2":
			fmt.Fprint(w, `{"items":[2],"links":{"next":"https://a.example/x/3"}}`)
		case q.URL.Path == "/x/3":
			fmt.Fprint(w, `{"items":[3],"links":{}}`)
		}
	})
	var records []string
	var waits []uint64
	for range 4 {
		got, err := r.round()
		if err != nil {
			t.Fatal(err)
		}
		records, waits = append(records, got), append(waits, r.next)
	}
	if fmt.Sprint(waits) != "[1 1 60000 60000]" || !strings.HasSuffix(records[2], " 3") || records[3] != "" {
		t.Errorf("waits %v, records %q", waits, records)
	}
	if want := `/x?k=v |/x/2 |/x/3 |/x?k=v "v1"`; strings.Join(asked, "|") != want {
		t.Errorf("asked %q", asked)
	}
	changed = 2
	if got, err := r.round(); got == "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What has not changed was read only when all its pages were: a page that fails for
// now is asked for again, one that is gone begins a new round, which reads all.
func TestARoundIsReadToItsEnd(t *testing.T) {
	for _, c := range []struct {
		more   string
		status int // of the second page, at first
		times  int
		want   string // that is asked for
	}{
		{"", 503, 1, "/x|/x/2|/x/2|/x v1"},
		{"", 429, 3, "/x|/x/2|/x/2|/x/2|/x/2|/x v1"},
		{"", 401, 12, "/x" + strings.Repeat("|/x/2", 13) + "|/x v1"},
		{"", 404, 1, "/x|/x/2|/x|/x/2|/x v1"},
		{"", 400, 1, "/x|/x/2|/x|/x/2|/x v1"},
		{"", 500, 10, "/x" + strings.Repeat("|/x/2", 10) + "|/x|/x/2|/x v1"},
		{`,"max_pages":1`, 200, 0, "/x|/x|/x"},
	} {
		var asked []string
		left := c.times
		r := opened(t, `{"url":"https://a.example/x","each":"/items","retries":0,"page_pointer":"/links/next"`+c.more+`}`, func(w http.ResponseWriter, q *http.Request) {
			tag := q.Header.Get("If-None-Match")
			asked = append(asked, strings.TrimSpace(q.URL.Path+" "+strings.Trim(tag, `"`)))
			switch {
			case tag == `"v1"`:
				w.WriteHeader(304)
			case q.URL.Path == "/x":
				w.Header().Set("ETag", `"v1"`)
				fmt.Fprint(w, `{"items":[1],"links":{"next":"/x/2"}}`)
			case left > 0:
				left--
				w.WriteHeader(c.status)
			default:
				fmt.Fprint(w, `{"items":[2]}`)
			}
		})
		n := strings.Count(c.want, "|") + 1
		read := ""
		for range n {
			got, err := r.round()
			if said, ok := errors.AsType[*abi.Error](err); err != nil && (!ok || said.Code != fmt.Sprintf("http_%d", c.status)) {
				t.Fatal(err)
			}
			read += got
		}
		if got := strings.Join(asked, "|"); got != c.want {
			t.Errorf("%d, %d times: asked %s, want %s", c.status, c.times, got, c.want)
		}
		if c.more == "" && !strings.Contains(read, " 2") {
			t.Errorf("%d, %d times: read %s", c.status, c.times, read)
		}
		if c.more != "" && (len(*r.lines) != n || !strings.Contains((*r.lines)[0].Text, "more than 1 pages: the rest is not read")) {
			t.Errorf("log %v", *r.lines)
		}
	}
}

// The secrets of the connector go to no other server.
func TestAPageElsewhere(t *testing.T) {
	next := ""
	r := opened(t, `{"url":"https://a.example/x","page_pointer":"/next","headers":{"Authorization":"Bearer secret://api"}}`, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"next":%q}`, next)
	})
	for _, next = range []string{"https://b.example/", "//b.example/", "https://a.example.b.example/", "http://a.example/x", "https://a.example@b.example/", "x"} {
		r.cursor = nil
		if _, err := r.round(); err != nil {
			t.Fatal(err)
		}
		asked := len(*r.web.Asked)
		if _, err := r.round(); err == nil || !strings.Contains(err.Error(), "not at https://a.example") || len(*r.web.Asked) != asked {
			t.Errorf("%s: %v", next, err)
		}
	}
}

func TestFailures(t *testing.T) {
	var answer func(w http.ResponseWriter)
	r := opened(t, `{"url":"https://a.example/x","retries":0}`, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	for _, c := range []struct {
		status int
		header string
		body   string
		want   string
		wait   uint64
	}{
		{429, "7", "slow down", "answers 429: slow down", 7000},
		{503, "", "", "answers 503", 0},
		{503, "999999", "", "answers 503", uint64(time.Hour.Milliseconds())},
		{401, "7", "who?", "answers 401: who?", 0},
		{200, "", "<html>", "is not JSON", 0},
	} {
		answer = func(w http.ResponseWriter) {
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}
		_, err := r.round()
		said, _ := errors.AsType[*abi.Error](err)
		if said == nil || !strings.Contains(said.Text, c.want) || said.RetryAfterMS != c.wait {
			t.Errorf("%d: %+v", c.status, err)
		}
	}
}

func TestElements(t *testing.T) {
	body := ""
	answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	r := opened(t, `{"url":"https://a.example/x","each":"/l","time_pointer":"/t","time_format":"s","fields":[{"name":"v","type":"int"}]}`, answer)
	body = `{"l":[{"t":1,"v":1},{"t":2},{"v":3},{"t":"x","v":4},{"t":5.5,"v":5},7]}`
	out, err := r.Poll(nil)
	if err != nil {
		t.Fatal(err)
	}
	// What does not fit is not lost when the cursor moves: it is an event.
	var words []string
	for _, rec := range out.Batch.Records {
		switch rec.Kind {
		case abi.KindEvent:
			words = append(words, fmt.Sprintf("%s %s %s %.5s", rec.Device, rec.ContentType, rec.Payload, rec.Headers[0].Value))
		default:
			words = append(words, fmt.Sprintf("%d=%d", rec.Time, rec.Points[0].Value.Int()))
		}
	}
	want := `1000000000=1; httppoll application/json {"t":2} field; httppoll application/json {"v":3} there; ` +
		`httppoll application/json {"t":"x","v":4} "x" i; 5500000000=5; httppoll application/json 7 there`
	if got := strings.Join(words, "; "); got != want || len(*r.lines) != 1 || !strings.Contains((*r.lines)[0].Text, "4 elements") {
		t.Errorf("%s\n%s\n%v", got, want, *r.lines)
	}
	named := opened(t, `{"url":"https://a.example/x","each":"/l","id_pointer":"/id","device_pointer":"/d","fields":[{"name":"v","type":"int"}]}`, answer)
	body = `{"l":[{"id":1,"d":"p","v":"x"},{"id":2,"v":1}]}`
	if got, err := named.round(); err != nil || !strings.Contains(got, "p@") || !strings.HasSuffix(got, `{"id":2,"v":1}unread/2`) {
		t.Errorf("%s, %v", got, err)
	}
	if body = `{"l":{}}`; true {
		if _, err := r.round(); err == nil {
			t.Error("an object is a list")
		}
	}
	raw := opened(t, `{"url":"https://a.example/x","format":"raw"}`, answer)
	body = "a;b"
	if got, err := raw.round(); !strings.HasSuffix(got, " a;b") || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	many := opened(t, `{"url":"https://a.example/x","each":"/l","fields":[{"name":"v"}]}`, answer)
	emitted := many.Emits()
	body = `{"l":[` + strings.TrimSuffix(strings.Repeat(`{"v":1},`, 700), ",") + `]}`
	out, err = many.Poll(nil)
	if err != nil {
		t.Fatal(err)
	}
	total := len(out.Batch.Records)
	for _, o := range *emitted {
		total += len(o.Batch.Records)
	}
	if total != 700 || out.NextPollMS != 60_000 {
		t.Errorf("%d records, next in %d", total, out.NextPollMS)
	}
}

func TestBadConfigs(t *testing.T) {
	for config, want := range map[string]string{
		`{"url":"https://a/","each":"x"}`:                                 "/each: ",
		`{"url":"https://a/","fields":[{"name":"a","pointer":"x"}]}`:      "/fields/0/pointer: ",
		`{"url":"https://a/","since_pointer":"/x"}`:                       "/since_param: ",
		`{"url":"https://a/","page_param":"x"}`:                           "/page_param: ",
		`{"url":"https://a/","format":"raw","each":"/x"}`:                 "/format: ",
		`{"url":"https://a/","fields":[{"name":"a"},{"name":"a"}]}`:       "given twice",
		`{"url":"https://a/","fields":[{"name":"a","type":"timestamp"}]}`: "is not int",
	} {
		if _, err := guesttest.New(t, &poller{}).Open(guesttest.Opening(config, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestTest(t *testing.T) {
	h := guesttest.New(t, &poller{})
	status := 200
	h.Web(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, `{}`)
	}))
	if result, err := h.Test(`{"url":"https://a.example/"}`); err != nil || !result.Success {
		t.Errorf("%+v, %v", result, err)
	}
	status = 403
	if result, err := h.Test(`{"url":"https://a.example/"}`); err != nil || result.Success || !strings.Contains(result.Message, "403") {
		t.Errorf("%+v, %v", result, err)
	}
}
