package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
)

// TestCloudEvents: each kind of record as an event, to the letter.
func TestCloudEvents(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	record := func(kind, content, payload string) control.Record {
		return control.Record{
			Position: "12.3", Key: "con_1/2/345", Connector: "con_1", Epoch: 2, Sequence: 345, Device: "d 1", Kind: kind,
			Time: at, Received: at.Add(time.Second), Content: content, Payload: []byte(payload),
		}
	}
	const head = `{"specversion":"1.0","id":"con_1/2/345","source":"/tenants/plant%20b/connectors/con_1","type":"io.snaprail.KIND",` +
		`"subject":"d 1","partitionkey":"d 1","time":"2026-01-02T03:04:05.000006Z","received":"2026-01-02T03:04:06.000006Z",` +
		`"position":"12.3","epoch":"2","sequence":"00000000000000000345"`
	points := record("telemetry", "", "")
	points.Points = []abi.Point{{Name: "temperature", Unit: "Cel", Value: abi.Double(42.5)}}
	event := record("event", "application/json", `{"a": 1}`)
	event.Topic = "/sources/talk"
	event.Headers = []abi.Header{{Name: "service", Value: []byte("door")}, {Name: "raw", Value: []byte{0xff}}}
	gap := control.Record{Position: "9.65536", Key: "gap/1/9", Kind: "gap", Time: at, Received: at, Content: "application/json", Payload: []byte(`{"from_block":1}`)}
	for want, r := range map[string]control.Record{
		strings.Replace(head, "KIND", "telemetry", 1) + `,"datacontenttype":"application/json","data":{"kind":"telemetry","values":{"temperature":42.5},"units":{"temperature":"Cel"}}}`: points,
		strings.Replace(head, "KIND", "event", 1) + `,"topic":"/sources/talk","service":"door","headers":"[{\"name\":\"service\",\"value\":\"door\"},{\"name\":\"raw\",\"value_base64\":\"/w==\"}]",` +
			`"datacontenttype":"application/json","data":{"a":1}}`: event,
		strings.Replace(head, "KIND", "attributes", 1) + `,"datacontenttype":"text/plain","data":"on"}`:                       record("attributes", "", "on"),
		strings.Replace(head, "KIND", "telemetry", 1) + `,"datacontenttype":"application/octet-stream","data_base64":"/w=="}`: record("telemetry", "", "\xff"),
		strings.Replace(head, "KIND", "telemetry", 1) + `,"datacontenttype":"application/json","data_base64":"ew=="}`:         record("telemetry", "application/json", "{"),
		strings.Replace(head, "KIND", "telemetry", 1) + `}`:                                                                   record("telemetry", "", ""),
		`{"specversion":"1.0","id":"gap/1/9","source":"/tenants/plant%20b/stream","type":"io.snaprail.gap","time":"2026-01-02T03:04:05.000006Z",` +
			`"received":"2026-01-02T03:04:05.000006Z","position":"9.65536","datacontenttype":"application/json","data":{"from_block":1}}`: gap,
	} {
		got := newCloudEvents("plant b").append(nil, &r)
		if string(got) != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
		wellFormed(t, got)
	}
}

// wellFormed holds an event to what CloudEvents 1.0 asks of every event.
func wellFormed(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var event map[string]any
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		if text, ok := event[name].(string); !ok || text == "" {
			t.Errorf("no %s: %s", name, raw)
		}
	}
	name := regexp.MustCompile(`^[a-z0-9]{1,20}$`)
	for _, n := range slices.Sorted(maps.Keys(event)) {
		if n != "data" && n != "data_base64" && !name.MatchString(n) {
			t.Errorf("the attribute %q has no name of CloudEvents", n)
		}
		if _, text := event[n].(string); !text && n != "data" {
			t.Errorf("the attribute %s is no text: %s", n, raw)
		}
	}
	return event
}

// TestStreamOfCloudEvents: both forms of the stream carry events, with ids that
// stay, and a topic leaves the events of one connector (S1.63).
func TestStreamOfCloudEvents(t *testing.T) {
	r := newRig(t)
	r.activated("meter", 2)
	c := r.parley("talk")
	r.ask("publish", `{"data":{"n":1}}`).ok(http.StatusOK, nil)
	r.ask("attributes", `{"data":{"n":1}}`).ok(http.StatusOK, nil)
	r.ask("publish", `{"data":{"n":2}}`).ok(http.StatusOK, nil)
	lines := r.read("/api/stream?format=cloudevents&topic=/sources/talk", 2, r.token, header("Accept", typeLines))
	var ids []string
	for line := range strings.Lines(lines) {
		event := wellFormed(t, []byte(line))
		if event["source"] != "/tenants/plant/connectors/"+c.ID || event["type"] != "io.snaprail.event" || event["topic"] != "/sources/talk" || event["service"] != "publish" {
			t.Errorf("%s", line)
		}
		ids = append(ids, event["id"].(string))
	}
	if len(ids) != 2 || !strings.HasPrefix(ids[0], c.ID+"/") || ids[0] == ids[1] {
		t.Errorf("%q in %s", ids, lines)
	}
	again := r.read("/api/stream?format=cloudevents&topic=/sources/talk", 2, r.token)
	for _, id := range ids {
		if !strings.Contains(again, `"id":"`+id+`"`) {
			t.Errorf("%s is not in %s", id, again)
		}
	}
	if !strings.Contains(again, "event: record\ndata: {\"specversion\":\"1.0\"") {
		t.Error(again)
	}
	plain := r.read("/api/stream?topic=/sources/talk&connector=talk", 2, r.token, header("Accept", typeLines))
	if strings.Contains(plain, "specversion") || strings.Count(plain, `"kind":"event"`) != 2 {
		t.Error(plain)
	}
	for query, status := range map[string]int{
		"format=xml": 422, "topic=talk": 422, "topic=/sources/none": 404, "topic=/sources/": 422, "topic=/sources/talk&connector=meter": 422,
	} {
		if p := r.call(http.MethodGet, "/api/stream?"+query, ""); p.status != status {
			t.Errorf("%s: %d %s", query, p.status, p.body)
		}
	}
}
