package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
	"github.com/snaprail/snaprail/hostfns/peertest"
)

// rig is a guest that was opened on an agent.
func rig(t *testing.T, size int, more string) (*guesttest.Harness, *peertest.MTConnect) {
	t.Helper()
	agent := peertest.NewMTConnect(size)
	h := guesttest.New(t, &source{})
	h.Log()
	h.KV()
	h.Web(agent)
	h.MustOpen(`{"url":"http://agent.test:5000/"` + more + `}`)
	return h, agent
}

// said writes an outcome as text, a line for each record.
func said(t *testing.T, out *abi.Outcome) string {
	t.Helper()
	var b strings.Builder
	for _, d := range out.Devices {
		fmt.Fprintf(&b, "device %s %s\n", d.ID, d.Type)
	}
	for _, r := range out.Batch.Records {
		switch r.Kind {
		case abi.KindEvent:
			fmt.Fprintf(&b, "event %s %s\n", r.Device, r.Payload)
			continue
		case abi.KindAttributes:
			fmt.Fprintf(&b, "attributes %s", r.Device)
		default:
			fmt.Fprintf(&b, "%s", r.Device)
		}
		for _, p := range r.Points {
			fmt.Fprintf(&b, " %s=%v", p.Name, plain(p))
		}
		b.WriteByte('\n')
	}
	var at place
	if err := json.Unmarshal(out.Cursor, &at); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "at %s/%d", at.Instance, at.Next)
	if out.NextPollMS > 0 {
		b.WriteString(" more")
	}
	return b.String()
}

func plain(p abi.Point) string {
	text := ""
	switch p.Value.Type() {
	case abi.ValueNone:
		return fmt.Sprintf("%#x", p.Quality)
	case abi.ValueInt:
		text = fmt.Sprint(p.Value.Int())
	case abi.ValueDouble:
		text = fmt.Sprint(p.Value.Double())
	default:
		text = p.Value.String()
	}
	if p.Unit != "" {
		text += " " + p.Unit
	}
	return text
}

func expect(t *testing.T, out *abi.Outcome, want string) {
	t.Helper()
	if got := said(t, out); got != strings.TrimSpace(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

const devices = `
device VMC-3Axis mtconnect
attributes VMC-3Axis uuid=000 id=dev manufacturer=Works & Sons serialNumber=001 description=A mill
`

const nothing = "avail=0x80310000 Xact=0x80310000 path_pos=0x80310000 Srpm=0x80310000 execution=0x80310000 PartCountAct=0x80310000 variables=0x80310000 Stemp1=0x80310000 Stemp2=0x80310000 spindle_condition=0x80310000"

func TestNowAndThenInOrder(t *testing.T) {
	h, agent := rig(t, 1000, "")
	out := h.MustPoll(nil)
	expect(t, out, devices+"VMC-3Axis "+nothing+"\nat 1/11")
	if p := out.Batch.Records[1].Points[1]; p.SourceTime != 1_700_000_000_002_000_000 {
		t.Errorf("the point's own time is %d", p.SourceTime)
	}
	out = h.MustPoll(out.Cursor)
	expect(t, out, "at 1/11")
	agent.Add(
		peertest.Observation{Item: "Xpos", Value: "12.5"},
		peertest.Observation{Item: "Path", Value: "1 2.5 -3"},
		peertest.Observation{Item: "Srpm", Value: "1200"},
		peertest.Observation{Item: "exec", Value: "ACTIVE"},
		peertest.Observation{Item: "parts", Value: "7"},
		peertest.Observation{Item: "vars", Value: "101=5.5 & more"},
		peertest.Observation{Item: "Stemp1", Value: "41"},
		peertest.Observation{Item: "Scond", Value: "Fault", Text: "too hot", Attrs: ` nativeCode="12" qualifier="HIGH"`},
		peertest.Observation{Item: "Xpos", Value: "UNAVAILABLE"},
	)
	out = h.MustPoll(out.Cursor)
	expect(t, out, `
VMC-3Axis Xact=12.5 mm
VMC-3Axis path_pos.x=1 mm path_pos.y=2.5 mm path_pos.z=-3 mm
VMC-3Axis Srpm=1200 {rev}/min
VMC-3Axis execution=ACTIVE
VMC-3Axis PartCountAct=7
VMC-3Axis variables={"101":"5.5 \u0026 more"}
VMC-3Axis Stemp1=41 Cel
VMC-3Axis spindle_condition=FAULT
event VMC-3Axis {"condition":"spindle_condition","level":"FAULT","type":"TEMPERATURE","native_code":"12","qualifier":"HIGH","text":"too hot","sequence":"18"}
VMC-3Axis Xact=0x80310000
at 1/20`)
	if r := out.Batch.Records[0]; r.Time != 1_700_000_000_011_000_000 {
		t.Errorf("the record's time is %d", r.Time)
	}
}

func TestMoreIsAskedForAtOnce(t *testing.T) {
	h, agent := rig(t, 1000, `,"count":2`)
	out := h.MustPoll(nil)
	for i := range 5 {
		agent.Add(peertest.Observation{Item: "parts", Value: fmt.Sprint(i)})
	}
	var got []string
	for more := true; more; {
		out = h.MustPoll(out.Cursor)
		got = append(got, said(t, out))
		more = out.NextPollMS > 0
	}
	want := "VMC-3Axis PartCountAct=0\nVMC-3Axis PartCountAct=1\nat 1/13 more|VMC-3Axis PartCountAct=2\nVMC-3Axis PartCountAct=3\nat 1/15 more|VMC-3Axis PartCountAct=4\nat 1/16"
	if strings.Join(got, "|") != want {
		t.Errorf("got %s", strings.Join(got, "|"))
	}
}

// The buffer has run over: what is lost is told, what is there is read.
func TestOverflow(t *testing.T) {
	h, agent := rig(t, 12, "")
	out := h.MustPoll(nil)
	for i := range 20 {
		agent.Add(peertest.Observation{Item: "parts", Value: fmt.Sprint(i)})
	}
	out = h.MustPoll(out.Cursor)
	expect(t, out, `
event VMC-3Axis {"gap":"buffer_overflow","from":11,"to":19,"missed":8}
at 1/19 more`)
	out = h.MustPoll(out.Cursor)
	if n := len(out.Batch.Records); n != 12 || plain(out.Batch.Records[0].Points[0]) != "8" {
		t.Errorf("%d records: %s", n, said(t, out))
	}
}

// An agent that was restarted counts anew, and may have other devices.
func TestAgentRestarts(t *testing.T) {
	h, agent := rig(t, 1000, "")
	out := h.MustPoll(nil)
	agent.Restart()
	for i := range 30 { // so that the old place would be in range
		agent.Add(peertest.Observation{Item: "parts", Value: fmt.Sprint(i)})
	}
	out = h.MustPoll(out.Cursor)
	expect(t, out, devices+`event VMC-3Axis {"gap":"agent_restart","from":11}
VMC-3Axis `+order("29")+"\nat 2/41")
	agent.Restart() // so that it would not
	out = h.MustPoll(out.Cursor)
	if got := said(t, out); !strings.Contains(got, `"gap":"agent_restart","from":41`) || !strings.HasSuffix(got, "at 3/11") {
		t.Errorf("got %s", got)
	}
	// A guest that begins with the place of one before it notices too.
	h2 := guesttest.New(t, &source{})
	h2.Log()
	h2.Web(agent)
	h2.MustOpen(`{"url":"http://agent.test:5000"}`)
	if got := said(t, h2.MustPoll([]byte(`{"instance":"1","next":5}`))); !strings.Contains(got, `"gap":"agent_restart","from":5`) {
		t.Errorf("got %s", got)
	}
}

// order is what is so now, with a count: points come in the order of sequence
// numbers.
func order(count string) string {
	return strings.Replace(nothing, "PartCountAct=0x80310000 ", "", 1) + " PartCountAct=" + count
}

func TestConfig(t *testing.T) {
	h, agent := rig(t, 1000, `,"device":"VMC-3Axis","path":"//Axes","names":"id","conditions":false,"username":"u","password":"secret://p"`)
	var asked []string
	web := h.Web(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		asked = append(asked, r.URL.Path+"?"+r.URL.Query().Get("path")+" "+user+":"+password)
		agent.ServeHTTP(w, r)
	}))
	web.Secrets["p"] = "hidden"
	out := h.MustPoll(nil)
	agent.Add(peertest.Observation{Item: "Scond", Value: "Warning"})
	expect(t, h.MustPoll(out.Cursor), "VMC-3Axis Scond=WARNING\nat 1/12")
	if want := "/VMC-3Axis/probe? u:hidden|/VMC-3Axis/current?//Axes u:hidden|/VMC-3Axis/sample?//Axes u:hidden"; strings.Join(asked, "|") != want {
		t.Errorf("asked %q", asked)
	}
	for config, want := range map[string]string{`{"url":"agent:5000"}`: "url", `{}`: "url"} {
		if _, err := h.Open(abi.OpenInput{Config: []byte(config)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestTest(t *testing.T) {
	h, agent := rig(t, 10, "")
	config := `{"url":"http://agent.test:5000"}`
	if r, err := h.Test(config); err != nil || !r.Success || r.Message != "1 devices with 10 data items" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := h.Test(strings.Replace(config, `"}`, `","device":"none"}`, 1)); err != nil || r.Success || !strings.Contains(r.Message, "NO_DEVICE") {
		t.Errorf("no such device: %+v, %v", r, err)
	}
	agent.Refuse(http.StatusServiceUnavailable)
	if r, err := h.Test(config); err != nil || r.Success || !strings.Contains(r.Message, "503") {
		t.Errorf("away: %+v, %v", r, err)
	}
	if _, err := h.Poll(nil); err == nil || !strings.Contains(err.Error(), "agent_refused") {
		t.Errorf("a poll: %v", err)
	}
}

// What is no document of MTConnect, or one to do harm with, is refused.
func TestHostileDocuments(t *testing.T) {
	header := `<Header instanceId="1" nextSequence="2" lastSequence="1" firstSequence="1"/>`
	for name, body := range map[string]string{
		"empty": "", "json": `{"a":1}`, "html": "<html><body>hello</body></html>",
		"entities":     `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><MTConnectStreams>` + header + `<Streams>&b;</Streams></MTConnectStreams>`,
		"entity":       `<MTConnectStreams>` + header + `&b;</MTConnectStreams>`,
		"depth":        `<MTConnectStreams>` + header + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + `</MTConnectStreams>`,
		"not closed":   `<MTConnectStreams>` + header,
		"elements":     `<MTConnectStreams>` + header + strings.Repeat("<a/>", maxElements) + `</MTConnectStreams>`,
		"no number":    `<MTConnectStreams><Header instanceId="1" nextSequence="-2"/></MTConnectStreams>`,
		"no header":    `<MTConnectStreams/>`,
		"other coding": `<?xml version="1.0" encoding="EBCDIC"?><MTConnectStreams>` + header + `</MTConnectStreams>`,
		"devices":      `<MTConnectDevices>` + header + `<Devices>` + strings.Repeat(`<Device name="a"/>`, maxDevices+1) + `</Devices></MTConnectDevices>`,
		"not streams":  `<MTConnectDevices>` + header + `</MTConnectDevices>`,
	} {
		h, agent := rig(t, 10, "")
		out := h.MustPoll(nil)
		h.Web(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/probe") {
				agent.ServeHTTP(w, r)
				return
			}
			_, _ = w.Write([]byte(body))
		}))
		if _, err := h.Poll(out.Cursor); err == nil || !strings.Contains(err.Error(), "no_mtconnect") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldCharset(t *testing.T) {
	d, err := read([]byte("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><MTConnectError><Header instanceId=\"1\"/><Error errorCode=\"INTERNAL_ERROR\">gr\xfcn</Error></MTConnectError>"))
	if err != nil || d.code != "INTERNAL_ERROR" || d.text != "grün" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestUnits(t *testing.T) {
	for units, want := range map[string]string{"": "", "MILLIMETER_3D": "mm", "CELSIUS": "Cel", "FOOT_POUND": "{FOOT_POUND}", "A{B}": "{AB}"} {
		if got := newModel().unitOf(units); got != want {
			t.Errorf("%s: %s", units, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	agent := peertest.NewMTConnect(5)
	agent.Add(peertest.Observation{Item: "vars", Value: "a=1"}, peertest.Observation{Item: "Scond", Value: "Fault"})
	for _, path := range []string{"/probe", "/current", "/sample?from=0&count=1", "/sample?from=9&count=9"} {
		f.Add([]byte(answer(f, agent, path)))
	}
	f.Fuzz(func(_ *testing.T, body []byte) {
		d, err := read(body)
		if err != nil {
			return
		}
		s := source{config: config{Conditions: true}, model: d.model}
		if s.model == nil {
			s.model = newModel()
		}
		s.model.name("name")
		for i := range d.seen {
			s.points(nil, &d.seen[i])
			s.model.deviceOf(&d.seen[i])
		}
	})
}

func answer(tb testing.TB, agent http.Handler, path string) string {
	tb.Helper()
	w := httptest.NewRecorder()
	agent.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}

// The devices and what is known of them are told in a step that comes to be: what a
// poll wrote that failed after the probe is not there.
func TestDevicesAreToldWhenThePollSucceeds(t *testing.T) {
	agent := peertest.NewMTConnect(100)
	h := guesttest.New(t, &source{})
	h.Log()
	state := h.KV()
	fail := true
	h.Web(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if fail && strings.HasSuffix(q.URL.Path, "/current") {
			w.WriteHeader(503)
			return
		}
		agent.ServeHTTP(w, q)
	}))
	h.MustOpen(`{"url":"http://agent.test:5000/"}`)
	if _, err := h.Poll(nil); err == nil {
		t.Fatal("the agent answered 503")
	}
	clear(state) // the host takes back what the step wrote
	fail = false
	out := h.MustPoll(nil)
	if text := said(t, out); !strings.Contains(text, "device ") || !strings.Contains(text, "attributes ") {
		t.Errorf("the devices were not told again:\n%s", text)
	}
	if out := h.MustPoll(out.Cursor); len(out.Devices) != 0 {
		t.Errorf("told again: %+v", out.Devices)
	}
}
