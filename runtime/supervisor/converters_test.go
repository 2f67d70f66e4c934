package supervisor_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// named is textframe that makes one field of a frame, of this name.
func (r *rig) named(name string) *spec.Converter {
	r.t.Helper()
	return &spec.Converter{Module: r.module("textframe"), Config: config(r.t, map[string]any{"fields": []any{
		map[string]any{"name": name, "from": 0, "type": "int"},
	}})}
}

// adapted changes a device of a connector that runs, once its module has named
// it.
func (r *rig) adapted(connector, id string, change func(*spec.Device)) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; r.tick() {
		d, err := r.tenant.Device(r.t.Context(), connector, id)
		if err == nil {
			change(&d)
			if _, err := r.tenant.UpdateDevice(r.t.Context(), connector, id, d, 0, control.Patience{}); err != nil {
				r.t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

// point sends frames until one comes out under that name.
func (s *records) point(l *line, device, name string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		l.send(s.t, "7\n")
		for {
			rec := s.next()
			if rec.Device != device {
				continue
			}
			if len(rec.Points) == 1 && rec.Points[0].Name == name || name == "" && string(rec.Payload) == "7\n" {
				return
			}
			break
		}
	}
	s.t.Fatalf("no record of %s has the point %q", device, name)
}

// A device's own converter goes before the connector's, and that before the
// type's. Whichever changes, the connector's guest goes on.
func TestConverterOfDeviceConnectorAndType(t *testing.T) {
	r := newRig(t)
	one, two := newLine(t), newLine(t)
	in := r.serialline(nil, one.port, two.port)
	v, s := r.connect(in), r.stream("")
	r.state(v.ID, lifecycle.Running)
	s.point(one, "device-1", "")

	if _, err := r.tenant.SetTypeConverter(t.Context(), "telemetry", "serialline", *r.named("of_type"), 0); err != nil {
		t.Fatal(err)
	}
	s.point(one, "device-1", "of_type")
	r.adapted(v.ID, "device-1", func(d *spec.Device) { d.Converter = r.named("of_device") })
	s.point(one, "device-1", "of_device")
	s.point(two, "device-2", "of_type")

	in.Converter = r.named("of_connector")
	r.update(v.ID, in)
	s.point(two, "device-2", "of_connector")
	s.point(one, "device-1", "of_device")

	in.Converter = nil
	r.update(v.ID, in)
	r.adapted(v.ID, "device-1", func(d *spec.Device) { d.Converter = nil })
	s.point(one, "device-1", "of_type")
	if err := r.tenant.RemoveTypeConverter(t.Context(), "telemetry", "serialline", 0); err != nil {
		t.Fatal(err)
	}
	s.point(one, "device-1", "")
	st := r.state(v.ID, lifecycle.Running)
	if st.Generation != 1 || st.Swaps != 0 || st.Restarts != 0 || st.Sessions[0].Opens != 1 {
		t.Errorf("the guest was touched: %+v", st)
	}
	if n := r.converters(); n != 0 {
		t.Errorf("%d converters are still open", n)
	}
}

// converters is how many converters are open.
func (r *rig) converters() int {
	r.t.Helper()
	t, err := r.super.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	return t.Converters().Pools
}

// Records go through a chain first to last, and what one stage refuses is kept
// with its place.
func TestChain(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.serialline(nil, l.port)
	in.Converter = &spec.Converter{
		Module: r.module("poison"), Config: config(t, map[string]any{"prefix": "1"}),
		Then: []spec.Stage{{Module: r.module("poison"), Config: config(t, map[string]any{"prefix": "2"})}, {
			Module: r.module("regexp"),
			Config: config(t, map[string]any{"patterns": []any{map[string]any{"pattern": "^21(?P<v>[0-9]+)"}}}),
		}},
	}
	v, s := r.connect(in), r.stream("")
	l.send(t, "7\n")
	if p := s.next().Points; len(p) != 1 || p[0].Name != "v" || p[0].Value != abi.Int(7) {
		t.Fatalf("points %+v", p)
	}
	l.send(t, "x\n")
	r.logged(v.ID, `converter 3 of 3: no expression matches "21x`)
	if shown := r.read(v.ID).Converter; len(shown.Then) != 2 {
		t.Errorf("shown %+v", shown)
	}
}

func (r *rig) read(id string) control.ConnectorView {
	r.t.Helper()
	v, err := r.tenant.Connector(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// A chain whose device cannot be loaded is that device's trouble alone.
func TestConverterThatDoesNotOpenIsItsDevicesAlone(t *testing.T) {
	r := newRig(t)
	one, two := newLine(t), newLine(t)
	v, s := r.connect(r.serialline(nil, one.port, two.port)), r.stream("")
	r.state(v.ID, lifecycle.Running)
	r.adapted(v.ID, "device-1", func(d *spec.Device) {
		d.Converter = &spec.Converter{Module: r.module("regexp"), Config: json.RawMessage(`{"patterns":[{"pattern":"("}]}`)}
	})
	for refused := false; !refused; { // records before it came pass
		one.send(t, "7\n")
		st := r.until(v.ID, "counting", func(s lifecycle.Status) bool { return s.Counters.Events > 0 })
		refused = st.Counters.Quarantined > 0
		r.tick()
	}
	r.logged(v.ID, "the device's converter cannot be loaded")
	s.point(two, "device-2", "")
}

// reads reads what was written to the line, which must be this.
func (l *line) reads(t *testing.T, want string) {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		b := make([]byte, len(want))
		n, _ := io.ReadFull(l.near, b)
		got <- string(b[:n])
	}()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	select {
	case text := <-got:
		if text != want {
			t.Fatalf("the line got %q, want %q", text, want)
		}
	case <-late.C:
		t.Fatalf("the line did not get %q", want)
	}
}

// oven is a connector on a line whose device is told things in words.
func (r *rig) oven(l *line, more map[string]any) *party {
	r.t.Helper()
	v := r.connect(r.serialline(more, l.port))
	r.state(v.ID, lifecycle.Running)
	return r.party(v.ID)
}

func attributes(body string) abi.Message {
	return abi.Message{Type: abi.MessageAttributes, Device: "device-1", ContentType: "application/json", Body: []byte(body)}
}

// Every row whose attribute is in the update is written, in order, with a result
// for each. An attribute that no row takes is one that failed, and a row that
// lacks a value writes nothing, and not its placeholder.
func TestAttributeUpdates(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	p := r.oven(l, nil)
	r.adapted(p.id, "device-1", func(d *spec.Device) {
		d.AttributeUpdates = []spec.AttributeUpdate{
			{Attribute: "target", Template: "T${target};"}, {Attribute: "name", Template: "N${name} ${site};"}, {Attribute: "target", Template: "U${target};"},
		}
	})
	p.mapped(`{"target":0}`, `T0;U0;`, l)
	for _, tt := range []struct{ update, written, answer string }{
		{`{"target":4.5,"tarGet":1}`, "T4.5;U4.5;", `[{"item":"tarGet","success":false,"error":{"code":"no_template"`},
		{`{"target":4.5}`, "T4.5;U4.5;", `[{"item":"target","success":true,"body":{"success":true}},{"item":"target","success":true,"body":{"success":true}}]`},
		{`{"name":"über","target":true,"site":"north"}`, "Ttrue;Nüber north;Utrue;", `"item":"name","success":true`},
		{`{"name":"x","target":2}`, "T2;U2;", `[{"item":"name","success":false,"error":{"code":"invalid_message","text":"the template wants ${site}, and the update has no such attribute"}}`},
		{`{"name":"a\nb","target":1}`, "T1;U1;", `[{"item":"name","success":false,"error":{"code":"invalid_message"`},
	} {
		q := p.send(attributes(tt.update))
		l.reads(t, tt.written)
		if all := p.all(q); len(all) != 1 || all[0].Status != abi.ReplyComplete || !strings.Contains(string(all[0].Body), tt.answer) {
			t.Errorf("%s was answered %s", tt.update, all[0].Body)
		}
	}
	all := p.all(p.send(attributes(`{"other":1}`)))
	if len(all) != 1 || all[0].Code != 207 || !strings.Contains(string(all[0].Body), `{"item":"other","success":false,"error":{"code":"no_template"`) {
		t.Errorf("an update without a row was answered %+v", all)
	}
	r.logged(p.id, "Attribute update request to device device-1 : T4.5;")
}

// mapped sends an update until the mapping is there.
func (p *party) mapped(update, want string, l *line) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); p.tick() {
		if all := p.all(p.send(attributes(update))); all[len(all)-1].Status == abi.ReplyComplete {
			l.reads(p.t, want)
			return
		}
	}
	p.t.Fatal("the mapping was not taken")
}

// What a converter makes of messages is written, and a call may be answered by
// the next frame.
func TestEncodedMessages(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.serialline(map[string]any{"rpc_reply_prefix": "OK"}, l.port)
	in.Converter = &spec.Converter{Module: r.module("textframe"), Config: config(t, map[string]any{
		"fields":           []any{map[string]any{"name": "temperature", "from": 0, "type": "int"}},
		"rpc":              map[string]any{"switch": "S${output} ${state}\n"},
		"command":          map[string]any{"*": "C${method}\n"},
		"publish":          "P${body}\n",
		"attributeUpdates": []any{map[string]any{"attributeOnThingsBoard": "target", "stringToDevice": "T${target}\n"}},
	})}
	v, s := r.connect(in), r.stream("")
	r.state(v.ID, lifecycle.Running)
	p := r.party(v.ID)
	m := func(kind abi.MessageType, method, body string) abi.Message {
		return abi.Message{Type: kind, Device: "device-1", Method: method, ContentType: "application/json", Body: []byte(body)}
	}
	call := m(abi.MessageRPC, "switch", `{"output":3,"state":"on"}`)
	if all := p.wrote(l, call, "S3 on\n"); string(all[0].Body) != `{"success":true}` {
		t.Errorf("answered %s", all[0].Body)
	}
	call.Headers = []abi.Header{{Name: "reply", Value: []byte("frame")}}
	q := p.send(call)
	l.reads(t, "S3 on\n")
	l.send(t, "21\nOK 3\n")
	if all := p.all(q); string(all[0].Body) != `{"data":"OK 3","success":true}` {
		t.Errorf("answered %s", all[0].Body)
	}
	if points := s.next().Points; points[0].Value != abi.Int(21) {
		t.Errorf("record %+v", points)
	}
	oneWay := call
	oneWay.Correlation = exchange.NoReply
	p.wrote(l, oneWay, "S3 on\n")
	p.wrote(l, m(abi.MessageCommand, "reset", `{}`), "Creset\n")
	p.wrote(l, m(abi.MessagePublish, "", `"hello"`), "Phello\n")
	if all := p.wrote(l, attributes(`{"target":210}`), "T210\n"); string(all[0].Body) != `[{"item":"target","success":true,"body":{"success":true}}]` {
		t.Errorf("answered %s", all[0].Body)
	}
	if all := p.all(p.send(m(abi.MessageRPC, "stop", `{}`))); all[0].Err == nil || !strings.Contains(all[0].Err.Text, `no template for the method "stop"`) {
		t.Errorf("answered %+v", all[0])
	}
}

// wrote sends a message, which must come out so.
func (p *party) wrote(l *line, m abi.Message, want string) []abi.Reply {
	p.t.Helper()
	q := p.send(m)
	l.reads(p.t, want)
	return p.all(q)
}

// A converter is tried out on what the connector has read, beside the one that
// is there: nothing that runs is touched, and nothing is kept.
func TestPreview(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.serialline(nil, l.port)
	in.Converter = r.named("now")
	v, s := r.connect(in), r.stream("")
	s.point(l, "device-1", "now")
	l.send(t, "x\n") // which the converter rejects
	before := r.until(v.ID, "counting", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 1 })
	head := r.super.Tenants()["plant"].Outbox().Head()

	p, err := r.tenant.Preview(t.Context(), control.PreviewInput{
		Connector: v.ID, Converter: &spec.Converter{Module: r.module("regexp"), Config: json.RawMessage(`{"patterns":[{"pattern":"(?P<then>.)"}]}`)},
		Samples: []abi.Record{{Device: "device-1", Payload: []byte("42\n")}}, Newest: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, one := range p.Samples {
		said = append(said, one.From+" "+strings.TrimSpace(string(one.Record.Payload))+": "+outcome(one.Before)+" -> "+outcome(one.After))
	}
	want := []string{
		"given 42: now -> then", "captured 7: now -> then",
		`quarantine x: !field "now": "x" is not an int -> then`,
	}
	if strings.Join(said, "\n") != strings.Join(want, "\n") {
		t.Errorf("preview:\n%s", strings.Join(said, "\n"))
	}
	after := r.state(v.ID, lifecycle.Running)
	if after.Counters != before.Counters && after.Counters.Blocks != before.Counters.Blocks || after.Generation != 1 {
		t.Errorf("the connector noticed: %+v, %+v", before.Counters, after.Counters)
	}
	if now := r.super.Tenants()["plant"].Outbox().Head(); now != head {
		t.Errorf("the log went from %d to %d", head, now)
	}
	if n := r.converters(); n != 1 {
		t.Errorf("%d converters are open", n)
	}
}

// outcome is the names of the points that became of a sample, or why there are
// none.
func outcome(o *control.PreviewOutcome) string {
	if o == nil {
		return "-"
	}
	var all []string
	for _, r := range o.Records {
		for _, p := range r.Points {
			all = append(all, p.Name)
		}
	}
	for _, m := range o.Messages {
		all = append(all, string(m.Body))
	}
	for _, reason := range o.Reasons {
		all = append(all, "!"+reason)
	}
	return strings.Join(all, " ")
}

// What is sent is tried out, too: by the encoder, and by the device's mapping.
// A converter that dies of a sample is a reason, and the next sample goes on.
func TestPreviewOfMessagesAndOfWhatKills(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.serialline(nil, l.port))
	r.adapted(v.ID, "device-1", func(d *spec.Device) {
		d.AttributeUpdates = []spec.AttributeUpdate{{Attribute: "target", Template: "T${target}"}}
	})
	call := abi.Message{Type: abi.MessageRPC, Device: "device-1", Method: "go", ContentType: "application/json", Body: []byte(`{"to":1}`)}
	p, err := r.tenant.Preview(t.Context(), control.PreviewInput{
		Connector: v.ID, Device: "device-1", Messages: []abi.Message{attributes(`{"target":5}`), call},
		Converter: &spec.Converter{Module: r.module("textframe"), Config: json.RawMessage(`{"fields":[],"rpc":{"go":"G${to}"}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome(p.Messages[0].Before) + "|" + outcome(p.Messages[1].Before) + "|" + outcome(p.Messages[1].After); got != `T5|{"to":1}|G1` {
		t.Errorf("messages %s", got)
	}
	p, err = r.tenant.Preview(t.Context(), control.PreviewInput{
		Converter: &spec.Converter{Module: r.module("poison"), Config: json.RawMessage(`{"prefix":"> "}`)},
		Samples:   []abi.Record{{Device: "d", Payload: []byte("fine")}, {Device: "d", Payload: []byte("poison")}, {Device: "d", Payload: []byte("fine")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Samples[0].Before != nil || len(p.Samples[0].After.Records) != 1 || len(p.Samples[2].After.Records) != 1 || len(p.Samples[1].After.Reasons) != 1 {
		t.Errorf("samples %+v, %+v, %+v", p.Samples[0].After, p.Samples[1].After, p.Samples[2].After)
	}
}
