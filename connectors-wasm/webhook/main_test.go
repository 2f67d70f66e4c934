package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// example is the worked example of README.md with this number.
func example(t *testing.T, n int) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(text, -1)[n][1])
}

type rig struct {
	*guesttest.Harness

	t     *testing.T
	hooks *guesttest.Hooks
}

func opened(t *testing.T, config string) *rig {
	t.Helper()
	r := &rig{guesttest.New(t, &webhook{}), t, nil}
	r.Log()
	r.KV()
	r.hooks = r.Hooks()
	r.MustOpen(config)
	return r
}

// send hands requests in, and answers the outcome as text, and as what callers are
// answered: 422 with the reason, what the guest says, or 202.
func (r *rig) send(requests ...abi.HookRequest) (records, answers string) {
	r.t.Helper()
	events, ids := make([]abi.Event, len(requests)), make([]uint64, len(requests))
	for i, q := range requests {
		events[i], ids[i] = r.hooks.Event(q)
	}
	out := r.MustEvents(events...)
	var words, said []string
	for _, rec := range out.Batch.Records {
		words = append(words, fmt.Sprintf("%s %s %s key=%s source=%s %s", rec.Device, rec.ContentType, rec.Payload, rec.Key, sum16.ReplaceAllString(rec.SourceKey, "#sum"), headers(rec.Headers)))
	}
	for i, id := range ids {
		text := "202"
		if reply, ok := r.hooks.Replies[id]; ok {
			text = fmt.Sprintf("%d %s", reply.Status, reply.Body)
		}
		for _, v := range out.Verdicts {
			if int(v.Input) == i && v.Decision == abi.DecisionReject {
				text = "422 " + v.Reason
			}
			if int(v.Input) == i && v.Decision == abi.DecisionRetry {
				text = "later"
			}
		}
		said = append(said, text)
	}
	return strings.Join(words, "\n"), strings.Join(said, "\n")
}

// sum16 is what a source key says of the request.
var sum16 = regexp.MustCompile("#[0-9a-f]{32}")

func headers(list []abi.Header) string {
	words := make([]string, len(list))
	for i, h := range list {
		words[i] = h.Name + "=" + string(h.Value)
	}
	return strings.Join(words, ",")
}

func with(name, value string) []abi.Header { return []abi.Header{{Name: name, Value: []byte(value)}} }

func TestWorkedExample(t *testing.T) {
	r := opened(t, example(t, 0))
	o := r.hooks.Opened()[0]
	if o.Auth != "hmac" || o.Secret != "secret://github" || o.Header != "X-Hub-Signature-256" || o.Prefix != "sha256=" || o.IDHeaders[0] != "X-GitHub-Delivery" || o.Reply != "" {
		t.Errorf("%+v", o)
	}
	body := `{"action":"opened","repository":{"full_name":"octo/hello"}}`
	records, answers := r.send(abi.HookRequest{Path: "/github", Key: "72d3", Body: []byte(body), Headers: with("X-Github-Event", "issues")})
	if want := "octo/hello application/json " + body + " key= source=72d3#sum path=/github,X-GitHub-Event=issues"; records != want || answers != "202" {
		t.Errorf("%s\n%s\n%s", records, want, answers)
	}
	records, answers = r.send(abi.HookRequest{Path: "/github", Body: []byte(`{}`)}, abi.HookRequest{Path: "/github", Body: []byte(`{`)})
	if records != "" || answers != "422 there is no device at /repository/full_name\n422 the body is not JSON" {
		t.Errorf("%s\n%s", records, answers)
	}
}

func TestAnotherService(t *testing.T) {
	r := opened(t, example(t, 1))
	o := r.hooks.Opened()[0]
	if o.Auth != "hmac" || o.Field != "v2" || o.Timestamp != "t" || o.Signed != "{timestamp}.{body}" || o.Reply != "guest" {
		t.Errorf("%+v", o)
	}
	if _, answers := r.send(abi.HookRequest{Path: "/x", Body: []byte(`1`)}); answers != `200 {"ok":true}` {
		t.Error(answers)
	}
}

// Slack asks whether the address is real.
func TestSlack(t *testing.T) {
	r := opened(t, `{"auth":"slack","secret":"secret://slack"}`)
	records, answers := r.send(abi.HookRequest{Path: "/", Body: []byte(`{"type":"url_verification","challenge":"3eZb"}`)}, abi.HookRequest{Path: "/", Body: []byte(`{"type":"event_callback"}`)})
	if strings.Contains(records, "3eZb") || answers != "200 3eZb\n200 " {
		t.Errorf("%s\n%s", records, answers)
	}
}

func TestDevicesAndKeys(t *testing.T) {
	q := abi.HookRequest{Path: "/plants/pump1/readings", Body: []byte(`{"id":7,"k":"a"}`), Headers: with("X-Device", "pump2")}
	for config, want := range map[string]string{
		`{}`:                           "webhook ",
		`{"device":"d"}`:               "d ",
		`{"device_part":2}`:            "pump1 ",
		`{"device_header":"x-device"}`: "pump2 ",
		`{"device_pointer":"/id","key_pointer":"/k"}`: "7 application/json {\"id\":7,\"k\":\"a\"} key=a",
		`{"key_header":"X-Device"}`:                   "webhook application/json {\"id\":7,\"k\":\"a\"} key=pump2",
		`{"format":"raw","content_type":"text/csv"}`:  "webhook text/csv",
	} {
		if records, answers := opened(t, config).send(q); !strings.HasPrefix(records, want) || answers != "202" {
			t.Errorf("%s: %s, %s", config, records, answers)
		}
	}
	for config, want := range map[string]string{`{"device_part":9}`: "has no part 9", `{"device_header":"X-None"}`: "no header X-None", `{"device_pointer":"/none"}`: "no device at /none"} {
		if records, answers := opened(t, config).send(q); records != "" || !strings.Contains(answers, want) {
			t.Errorf("%s: %s, %s", config, records, answers)
		}
	}
}

// A list becomes a record of each element, all of them or none.
func TestEach(t *testing.T) {
	r := opened(t, `{"each":"/list","device_pointer":"/id"}`)
	records, answers := r.send(abi.HookRequest{Path: "/", Key: "k", Body: []byte(`{"list":[{"id":"a"},{"id":"b"}]}`)})
	want := "a application/json {\"id\":\"a\"} key= source=k#sum/0 path=/\nb application/json {\"id\":\"b\"} key= source=k#sum/1 path=/"
	if records != want || answers != "202" {
		t.Errorf("%s\n%s", records, answers)
	}
	for body, want := range map[string]string{
		`{"list":[{"id":"a"},{}]}`: "422 /list/1: there is no device at /id",
		`{"list":{}}`:              "422 /list is no list",
		`{"list":[` + strings.TrimSuffix(strings.Repeat(`{"id":"a"},`, 257), ",") + `]}`: "422 /list has 257 elements, and may have 256",
	} {
		if records, answers := r.send(abi.HookRequest{Path: "/", Body: []byte(body)}); records != "" || answers != want {
			t.Errorf("%.80s\n%s", records, answers)
		}
	}
	many := abi.HookRequest{Path: "/", Body: []byte(`{"list":[` + strings.TrimSuffix(strings.Repeat(`{"id":"a"},`, 200), ",") + `]}`)}
	if _, answers := r.send(many, many); answers != "202\nlater" {
		t.Error(answers)
	}
}

// A request that comes again makes the same records under the same source key, by
// which the host leaves them out, and is answered the same: whatever the connector
// has met since, and in its next life too. Another request under its name has another
// source key, so that it is not lost.
func TestSourceKeys(t *testing.T) {
	first := abi.HookRequest{Method: "POST", Path: "/a", Query: "x=1", Key: "17", Body: []byte(`{"order":1}`)}
	r := opened(t, `{"reply":{"status":201,"body":"made"}}`)
	key, answer := r.source(first)
	if !strings.HasPrefix(key, "17#") || len(key) != len("17#")+32 || answer != "201 made" {
		t.Errorf("%s, %s", key, answer)
	}
	for _, again := range []*rig{r, opened(t, `{"reply":{"status":201,"body":"made"}}`)} {
		if k, a := again.source(first); k != key || a != answer {
			t.Errorf("the same again: %s, %s, want %s, %s", k, a, key, answer)
		}
	}
	for what, change := range map[string]func(*abi.HookRequest){
		"method":         func(q *abi.HookRequest) { q.Method = "PUT" },
		"path":           func(q *abi.HookRequest) { q.Path = "/b" },
		"query":          func(q *abi.HookRequest) { q.Query = "x=2" },
		"path and query": func(q *abi.HookRequest) { q.Path, q.Query = "/", "ax=1" },
		"body":           func(q *abi.HookRequest) { q.Body = []byte(`{"order":2}`) },
		"name":           func(q *abi.HookRequest) { q.Key = "18" },
	} {
		q := first
		change(&q)
		if k, a := r.source(q); k == key || !strings.HasPrefix(k, q.Key+"#") || a != answer {
			t.Errorf("another %s: %s, %s", what, k, a)
		}
	}
	first.Key = ""
	if k, _ := r.source(first); k != "" {
		t.Errorf("without a name: %s", k)
	}
}

// source is the source key of a request's record, and what its caller is answered.
func (r *rig) source(q abi.HookRequest) (key, answer string) {
	r.t.Helper()
	e, id := r.hooks.Event(q)
	out := r.MustEvents(e)
	if len(out.Batch.Records) != 1 || len(out.Verdicts) != 0 {
		r.t.Fatalf("%+v", out)
	}
	reply := r.hooks.Replies[id]
	return out.Batch.Records[0].SourceKey, fmt.Sprintf("%d %s", reply.Status, reply.Body)
}

// A caller who has gone costs nobody anything, and what cannot be answered leaves
// no records.
func TestCallersWhoHaveGone(t *testing.T) {
	code := "late_reply"
	r := opened(t, `{"auth":"slack","secret":"secret://s"}`)
	r.Host("hooks", "reply", func([]byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultInvalid, Code: code, Text: "nobody waits"}
	})
	challenge := abi.HookRequest{Path: "/", Body: []byte(`{"type":"url_verification","challenge":"c"}`)}
	one := abi.HookRequest{Path: "/", Key: "k", Body: []byte(`1`)}
	judged := func(want string, requests ...abi.HookRequest) {
		t.Helper()
		events := make([]abi.Event, len(requests))
		for i, q := range requests {
			events[i], _ = r.hooks.Event(q)
		}
		out := r.MustEvents(events...)
		got := fmt.Sprint(len(out.Batch.Records))
		for _, v := range out.Verdicts {
			got += fmt.Sprintf(" %d:%d", v.Input, v.Decision)
		}
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	code = "broken"
	reject, skip := fmt.Sprint(abi.DecisionReject), fmt.Sprint(abi.DecisionSkip)
	judged("0 0:"+reject+" 1:"+reject, challenge, one)
	code = "late_reply"
	judged("1 0:"+skip, challenge, one)
	code = "broken"
	judged("0 0:"+reject, one)
}

func TestBadConfigs(t *testing.T) {
	for config, want := range map[string]string{
		`{"device_pointer":"id"}`:                     "/device_pointer: ",
		`{"each":"x"}`:                                "/each: ",
		`{"format":"raw","each":"/x"}`:                "/format: ",
		`{"paths":7}`:                                 "the config cannot be read",
		`{"format":"raw","key_pointer":"/x"}`:         "/format: ",
		`{"format":"raw","device_pointer":"/x"}`:      "/format: ",
		`{"key_pointer":"x","device_pointer":"/dev"}`: "/key_pointer: ",
	} {
		h := guesttest.New(t, &webhook{})
		h.Hooks()
		if _, err := h.Open(guesttest.Opening(config, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestTest(t *testing.T) {
	h := guesttest.New(t, &webhook{})
	k := h.Hooks()
	if result, err := h.Test(example(t, 0)); err != nil || !result.Success {
		t.Errorf("%+v, %v", result, err)
	}
	k.Refuse(errors.New("no grant"))
	if result, err := h.Test(example(t, 0)); err != nil || result.Success || !strings.Contains(result.Message, "no grant") {
		t.Errorf("%+v, %v", result, err)
	}
}
