package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

const port = "/dev/ttyUSB0"

// slave is a device: it answers requests as the protocol says.
type slave struct {
	unit     byte
	holding  map[int]uint16 // no other is there
	coils    map[int]bool
	requests []string
	mangle   func(answer []byte) []byte
}

func (s *slave) answer(pdu []byte) []byte {
	s.requests = append(s.requests, fmt.Sprintf("%x", pdu))
	address, count := int(binary.BigEndian.Uint16(pdu[1:])), int(binary.BigEndian.Uint16(pdu[3:]))
	refuse := func(code byte) []byte { return []byte{pdu[0] | 0x80, code} }
	switch pdu[0] {
	case readHolding, readInput:
		out := []byte{pdu[0], byte(2 * count)}
		for i := range count {
			v, ok := s.holding[address+i]
			if !ok {
				return refuse(2)
			}
			out = binary.BigEndian.AppendUint16(out, v)
		}
		return out
	case readCoils, readDiscrete:
		data := make([]byte, (count+7)/8)
		for i := range count {
			if s.coils[address+i] {
				data[i/8] |= 1 << (i % 8)
			}
		}
		return append([]byte{pdu[0], byte(len(data))}, data...)
	case writeCoil:
		s.coils[address] = count == 0xff00
	case writeRegister:
		s.holding[address] = uint16(count)
	case writeRegisters:
		for i := range count {
			s.holding[address+i] = binary.BigEndian.Uint16(pdu[6+2*i:])
		}
	case writeCoils:
		for i := range count {
			s.coils[address+i] = pdu[6+i/8]>>(i%8)&1 == 1
		}
	case maskRegister:
		s.holding[address] = s.holding[address]&uint16(count) | binary.BigEndian.Uint16(pdu[5:])&^uint16(count)
		return pdu
	default:
		return refuse(1)
	}
	return pdu[:5]
}

// serve plays RTU units on a port.
func serve(slaves ...*slave) func(string, []byte) ([]byte, error) {
	return func(_ string, frame []byte) ([]byte, error) {
		n := len(frame) - 2
		if crc16(frame[:n]) != binary.LittleEndian.Uint16(frame[n:]) {
			return nil, nil
		}
		for _, s := range slaves {
			if s.unit != frame[0] {
				continue
			}
			out := append([]byte{s.unit}, s.answer(frame[1:n])...)
			out = binary.LittleEndian.AppendUint16(out, crc16(out))
			if s.mangle != nil {
				out = s.mangle(out)
			}
			return out, nil
		}
		return nil, nil
	}
}

func meter() *slave {
	s := &slave{unit: 7, holding: map[int]uint16{}, coils: map[int]bool{3: true, 5: true}}
	for i, v := range []uint16{2150, 0xfff6, 0x0001, 0x86a0, 0x41b8, 0x0000, 0x4865, 0x6c6c, 0x6f00, 0x8001} {
		s.holding[i] = v
	}
	s.holding[100] = 42
	return s
}

const meterConfig = `{"unitId":7,"timeseries":[
	{"tag":"volts","address":0,"divider":10,"unit":"V"},
	{"tag":"celsius","address":1,"type":"16int"},
	{"tag":"energy","address":2,"type":"uint32"},
	{"tag":"flow","address":4,"type":"32float","sendDataOnlyOnChange":true},
	{"tag":"alarm","address":9,"type":"bool","bit":15,"writable":true},
	{"tag":"far","address":100,"writable":true},
	{"tag":"running","functionCode":1,"address":3,"writable":true},
	{"tag":"switches","functionCode":2,"address":3,"type":"bits","objectsCount":4}],
	"attributes":[{"tag":"model","address":6,"type":"string","objectsCount":3}],
	"rpc":[{"tag":"setpoint","address":20,"type":"float32","functionCode":16,"wordOrder":"LITTLE"},
	       {"tag":"lamps","functionCode":15,"address":40,"type":"bits","objectsCount":10}]}`

func opened(t *testing.T, config string, devices ...abi.Device) (*guesttest.Harness, *guesttest.Ports, *[]abi.LogLine) {
	t.Helper()
	h := guesttest.New(t, &bus{})
	ports := h.Serial(port)
	lines := h.Log()
	in := guesttest.Opening(config, abi.ReasonStart)
	in.Lane, in.Devices = port, devices
	if _, err := h.Open(in); err != nil {
		t.Fatal(err)
	}
	return h, ports, lines
}

func poll(t *testing.T, h *guesttest.Harness, device string) (*abi.Outcome, string) {
	t.Helper()
	out, err := h.PollDevice(device, nil)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, r := range out.Batch.Records {
		for _, p := range r.Points {
			word := fmt.Sprintf("%s=%v%s", p.Name, plain(p.Value), p.Unit)
			if r.Kind == abi.KindAttributes {
				word = "@" + word
			}
			if p.Quality != 0 {
				word = fmt.Sprintf("%s=%v is bad %x", p.Name, plain(p.Value), p.Quality)
			}
			words = append(words, word)
		}
	}
	return out, strings.Join(words, " ")
}

func TestPollReadsInFewRequests(t *testing.T) {
	h, ports, _ := opened(t, `{}`, abi.Device{ID: "meter", Config: []byte(meterConfig)})
	s := meter()
	ports.Answer = serve(s)
	_, got := poll(t, h, "meter")
	want := "running=true switches=5 volts=215V celsius=-10 energy=100000 flow=23 alarm=true @model=Hello far=42"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r := strings.Join(s.requests, " "); r != "0100030001 0200030004 030000000a 0300640001" {
		t.Errorf("asked %s", r)
	}
	if _, again := poll(t, h, "meter"); strings.Contains(again, "flow") || !strings.Contains(again, "volts") {
		t.Errorf("what has not changed was told: %s", again)
	}
}

// A device that has nothing between two items is read item by item.
func TestPollSplitsWhatIsRefused(t *testing.T) {
	h, ports, lines := opened(t, `{"timeseries":[{"tag":"a","address":0},{"tag":"b","address":3},{"tag":"none","address":5}]}`, abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)})
	s := meter()
	s.holding = map[int]uint16{0: 1, 3: 2}
	ports.Answer = serve(s)
	for _, want := range []string{"a=1 b=2 none=[] is bad 808b0000", "a=1 b=2"} {
		if _, got := poll(t, h, "d"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if r := strings.Join(s.requests, " "); r != "0300000006 0300000001 0300030001 0300050001 0300000001 0300030001 0300050001" {
		t.Errorf("asked %s", r)
	}
	if len(*lines) != 1 || !strings.Contains((*lines)[0].Text, "holding registers 5: the device refused function 3 with exception 2 (illegal data address") {
		t.Errorf("log %+v", *lines)
	}
}

// RTU through a server that hands on the bytes of a line.
func TestRTUOverTCP(t *testing.T) {
	h := guesttest.New(t, &bus{})
	h.Log()
	peers := h.TCP("moxa:4001")
	peers.Answer = serve(meter())
	in := guesttest.Opening(meterConfig, abi.ReasonStart)
	in.Lane, in.Devices = "rtu+tcp://moxa:4001", []abi.Device{{ID: "meter"}}
	if _, err := h.Open(in); err != nil {
		t.Fatal(err)
	}
	if f := peers.Opened()[0].Framing; f.Kind != abi.FramingGap || f.GapUS != 20_000 {
		t.Errorf("framed %+v", f)
	}
	if _, got := poll(t, h, "meter"); !strings.HasPrefix(got, "running=true switches=5 volts=215V") {
		t.Errorf("got %s", got)
	}
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: "far", Body: []byte(`5`)}); got != `{"success":true}` {
		t.Errorf("a write: %s", got)
	}
}

// What was told on change is told again after it was not known for a while.
func TestValuesAreToldAgainAfterSilence(t *testing.T) {
	h, ports, lines := opened(t, `{"sendDataOnlyOnChange":true,"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)})
	s := meter()
	ports.Answer = serve(s)
	var told []string
	for _, mangle := range []func([]byte) []byte{nil, nil, func([]byte) []byte { return nil }, nil, nil} {
		s.mangle = mangle
		_, got := poll(t, h, "d")
		told = append(told, got)
	}
	if got := strings.Join(told, ", "); got != "a=2150, , a=2150 is bad 80310000, a=2150, " {
		t.Errorf("told %s", got)
	}
	if len(*lines) != 2 || !strings.Contains((*lines)[1].Text, "answered again") {
		t.Errorf("log %+v", *lines)
	}
}

// Damaged answers are asked for again, and told once; silent devices are left
// alone for a while.
func TestPollSurvivesNoiseAndSilence(t *testing.T) {
	h, ports, lines := opened(t, `{"timeseries":[{"tag":"a","address":0}]}`,
		abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)}, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)})
	s := meter()
	for name, mangle := range map[string]func([]byte) []byte{
		"a flipped bit":  func(b []byte) []byte { b[3] ^= 1; return b },
		"cut off":        func(b []byte) []byte { return b[:4] },
		"of another":     func([]byte) []byte { return framed(8, 3, 2, 0, 1) },
		"other function": func([]byte) []byte { return framed(7, 4, 2, 0, 1) },
		"other length":   func([]byte) []byte { return framed(7, 3, 4, 0, 1, 0, 2) },
		"silence":        func([]byte) []byte { return nil },
	} {
		asked := len(s.requests)
		once := true
		s.mangle = func(b []byte) []byte {
			if once {
				once = false
				return mangle(b)
			}
			return b
		}
		ports.Answer = serve(s)
		_, got := poll(t, h, "d")
		if n := len(s.requests) - asked; got != "a=2150" || n != 2 {
			t.Errorf("%s: %s after %d requests", name, got, n)
		}
	}
	s.mangle = nil
	*lines = nil
	for i := range 4 {
		out, got := poll(t, h, "gone")
		if want := map[int]string{0: "a=[] is bad 80310000"}[i]; got != want || i > 0 && out.NextPollMS < 4000 {
			t.Errorf("silent device: %s, next after %d ms", got, out.NextPollMS)
		}
	}
	if len(*lines) != 1 || !strings.Contains((*lines)[0].Text, "device gone: holding registers 0: ") {
		t.Errorf("log %+v", *lines)
	}
	if _, got := poll(t, h, "d"); got != "a=2150" {
		t.Errorf("the other one: %s", got)
	}
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultUnavailable, Code: "resource_unavailable", Text: "away"}
	}
	for range 3 {
		if out, _ := poll(t, h, "d"); out.NextPollMS != 0 {
			t.Errorf("without a port the next poll is after %d ms", out.NextPollMS)
		}
	}
}

func framed(b ...byte) []byte { return binary.LittleEndian.AppendUint16(b, crc16(b)) }

func ask(t *testing.T, h *guesttest.Harness, m abi.Message) string {
	t.Helper()
	m.Correlation = "c"
	out := h.MustMessage(m)
	var said []string
	for _, r := range guesttest.RepliesTo(m, out) {
		if r.Err != nil {
			said = append(said, r.Err.Code+": "+r.Err.Text)
			continue
		}
		said = append(said, string(r.Body))
	}
	return strings.Join(said, "|")
}

func TestWrites(t *testing.T) {
	h, ports, _ := opened(t, `{"profiles":{"m":`+meterConfig+`}}`, abi.Device{ID: "meter", Config: []byte(`{"profile":"m","any_register":true}`)})
	s := meter()
	s.holding[20], s.holding[21] = 0, 0
	ports.Answer = serve(s)
	for _, c := range []struct{ method, body, said, asked string }{
		{"write", `{"tag":"far","value":7}`, `{"success":true}`, "0600640007"},
		{"far", `8`, `{"success":true}`, "0600640008"},
		{"far", ``, `{"value":8}`, "0300640001"},
		{"write", `{"tag":"running","value":false}`, `{"success":true}`, "0500030000"},
		{"running", `true`, `{"success":true}`, "050003ff00"},
		{"setpoint", `21.5`, `{"success":true}`, "100014000204000041ac"},
		{"read", `{"tag":"setpoint"}`, `{"value":21.5}`, "0300140002"},
		{"lamps", `513`, `{"success":true}`, "0f0028000a020102"},
		{"write", `{"tag":"alarm","value":false}`, `{"success":true}`, "1600097fff0000"},
		{"read", `{"tag":"alarm"}`, `{"value":false}`, "0300090001"},
		{"read", `{"functionCode":3,"address":2,"type":"uint32"}`, `{"value":100000}`, "0300020002"},
		{"write", `{"functionCode":6,"address":100,"value":9}`, `{"success":true}`, "0600640009"},
		{"write", `{"tag":"volts","value":1}`, "not_writable: volts is not writable: the configuration does not say so", ""},
		{"write", `{"tag":"nothing","value":1}`, "item_unknown: there is no nothing", ""},
		{"write", `{"tag":"far","value":70000}`, `value_wrong: "70000" is no uint16: strconv.ParseUint: parsing "70000": value out of range`, ""},
		{"write", `{"tag":"far","value":1.5}`, `value_wrong: "1.5" is no uint16: invalid syntax`, ""},
		{"read", `{"functionCode":3,"address":900}`, "illegal_data_address: the device refused function 3 with exception 2 (illegal data address: the device has nothing there)", "0303840001"},
		{"launch", `1`, "method_unknown: the method launch is neither read nor write, nor a tag of the device", ""},
	} {
		before := len(s.requests)
		got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: c.method, Body: []byte(c.body)})
		asked := strings.Join(s.requests[before:], " ")
		if got != c.said || asked != c.asked {
			t.Errorf("%s %s: %s, asked %s; want %s, asked %s", c.method, c.body, got, asked, c.said, c.asked)
		}
	}
	got := ask(t, h, abi.Message{Type: abi.MessageAttributes, Device: "meter", Body: []byte(`{"far":3,"volts":1,"setpoint":20}`)})
	if want := `[{"item":"far","success":true},{"item":"setpoint","success":true},{"item":"volts","success":false,"error":{"code":"not_writable","text":"volts is not writable: the configuration does not say so"}}]`; got != want {
		t.Errorf("an update: %s", got)
	}
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "other", Method: "read", Body: []byte(`{}`)}); !strings.HasPrefix(got, "device_unknown") {
		t.Errorf("another device: %s", got)
	}
}

// A write that is not answered is not repeated: it may have been done.
func TestAWriteIsMadeOnce(t *testing.T) {
	h, ports, _ := opened(t, meterConfig, abi.Device{ID: "meter"})
	s := meter()
	s.mangle = func([]byte) []byte { return nil }
	ports.Answer = serve(s)
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: "far", Body: []byte(`1`)}); !strings.HasPrefix(got, "timeout: ") || len(s.requests) != 1 {
		t.Errorf("%s after %d requests", got, len(s.requests))
	}
}

func TestConfigErrors(t *testing.T) {
	for config, want := range map[string]string{
		`{"timeseries":[{"tag":"a","address":0},{"tag":"a","address":1}]}`:          `the tag "a" is there twice`,
		`{"timeseries":[{"tag":"a","address":65535,"type":"uint32"}]}`:              "/timeseries/0/address is 65535",
		`{"timeseries":[{"tag":"a","address":0,"type":"int128"}]}`:                  `/timeseries/0/type is "int128"`,
		`{"timeseries":[{"tag":"a","address":0,"functionCode":1,"type":"uint16"}]}`: "coils and discrete inputs are bool or bits",
		`{"timeseries":[{"tag":"a","address":0,"functionCode":4,"writable":true}]}`: "/timeseries/0/writable inputs cannot be written",
		`{"attributes":[{"tag":"a","address":0,"type":"string","divider":2}]}`:      "/attributes/0/multiplier only numbers are scaled",
		`{"rpc":[{"tag":"a","address":0,"type":"uint32","functionCode":6}]}`:        "/rpc/0/writeFunctionCode function 6 writes one, and uint32 takes 2",
		`{"timeseries":[{"tag":"a","address":0,"objectsCount":3}]}`:                 "/timeseries/0/objectsCount is 3: uint16 takes 1",
		`{"unitId":256}`:     "/unitId is 256",
		`{"profile":"none"}`: `/profile there is no profile "none"`,
		`{"timeseries":[{"tag":"a","address":0,"byteOrder":"MIDDLE"}]}`:                   "BIG or LITTLE",
		`{"timeseries":[{"tag":"a","address":0,"functionCode":2,"type":"uint16"}]}`:       "/timeseries/0/type",
		`{"timeseries":[{"tag":"a","address":0,"type":"bytes","objectsCount":126}]}`:      "want at most 125",
		`{"timeseries":[{"tag":"a","address":0,"type":"uint16","bit":3}]}`:                "/timeseries/0/bit",
		`{"timeseries":[{"tag":"a","address":0,"functionCode":7}]}`:                       "/timeseries/0/functionCode is 7",
		`{"timeseries":[{"tag":"a","address":0,"writable":true,"writeFunctionCode":15}]}`: "/timeseries/0/writeFunctionCode is 15",
	} {
		h := guesttest.New(t, &bus{})
		h.Serial(port)
		h.Log()
		in := guesttest.Opening(`{}`, abi.ReasonStart)
		in.Lane, in.Devices = port, []abi.Device{{ID: "meter", Config: []byte(config)}}
		if _, err := h.Open(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "device meter: ") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// A device whose config does not hold is told of, and the others of its endpoint work.
func TestABadDeviceIsLeftOut(t *testing.T) {
	h, ports, lines := opened(t, `{"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "bad", Config: []byte(`{"profile":"boilr"}`)},
		abi.Device{ID: "typo", Config: []byte(`{"unitId":8,"timeseries":[{"tag":"b","address":70000}]}`)}, abi.Device{ID: "good", Config: []byte(`{"unitId":7}`)})
	ports.Answer = serve(meter())
	if _, got := poll(t, h, "good"); got != "a=2150" {
		t.Errorf("the good one: %s", got)
	}
	for _, want := range []string{`config_error=invalid_config: device typo: /timeseries/0/address is 70000: want 0 to 65535, and room for the value is bad 80890000 b=[] is bad 80890000`, ""} {
		if _, got := poll(t, h, "typo"); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	if out, got := poll(t, h, "bad"); !strings.Contains(got, `there is no profile "boilr"`) || out.Batch.Records[0].Kind != abi.KindEvent {
		t.Errorf("told %q: %+v", got, out.Batch.Records)
	}
	if len(*lines) != 2 || !strings.Contains((*lines)[0].Text, "device bad: /profile") {
		t.Errorf("log %+v", *lines)
	}
	m := abi.Message{Type: abi.MessageRPC, Correlation: "1", Device: "bad", Method: "a"}
	if got := ask(t, h, m); !strings.Contains(got, "invalid_config") || !strings.Contains(got, "boilr") {
		t.Errorf("an RPC is answered %s", got)
	}

	in := guesttest.Opening(`{"timeseries":[{"tag":"a","address":0}]}`, abi.ReasonTest)
	in.Lane, in.Devices = port, []abi.Device{{ID: "bad", Config: []byte(`{"profile":"boilr"}`)}, {ID: "good", Config: []byte(`{"unitId":7}`)}}
	for range 2 { // with and without one that works
		var result abi.TestResult
		answer, err := h.Call(abi.EntryTest, in.Append(nil))
		if err != nil || result.Decode(answer) != nil {
			t.Fatal(err)
		}
		details := map[string]string{}
		for _, d := range result.Details {
			details[d.Name] = string(d.Value)
		}
		if result.Success || !strings.Contains(result.Message, "device bad") || details["code"] != "invalid_config" || !strings.Contains(details["bad"], "boilr") {
			t.Errorf("test: %+v", result)
		}
		in.Devices = in.Devices[:1]
	}
}

// What was not granted is told once as bad, and then the polls fail, so that the
// connector shows it; a device that is only silent fails no poll.
func TestPollsFailWithoutAGrant(t *testing.T) {
	h, ports, _ := opened(t, `{"timeseries":[{"tag":"a","address":0},{"tag":"b","address":100}]}`, abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)})
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant covers it with the right to write"}
	}
	said := ""
	for range 2 { // each read once
		_, got := poll(t, h, "d")
		said += got + " "
	}
	if !strings.Contains(said, "a=[] is bad 80310000") || !strings.Contains(said, "b=[] is bad 80310000") {
		t.Errorf("told %s", said)
	}
	for range 3 {
		if _, err := h.PollDevice("d", nil); err == nil || !strings.Contains(err.Error(), "right to write") {
			t.Errorf("a poll without a grant: %v", err)
		}
	}
	ports.Answer = serve(meter())
	if _, got := poll(t, h, "d"); !strings.Contains(got, "a=2150") || !strings.Contains(got, "b=42") {
		t.Errorf("with the grant: %s", got)
	}
}

// Where no device of an endpoint works, the polls fail with the reason, always the
// same one, once the values were told to be bad; one that works is enough.
func TestPollsFailWhereNoDeviceWorks(t *testing.T) {
	config := `{"timeseries":[{"tag":"a","address":0},{"tag":"b","address":900}]}`
	h, ports, _ := opened(t, config, abi.Device{ID: "refuses", Config: []byte(`{"unitId":7}`)},
		abi.Device{ID: "silent", Config: []byte(`{"unitId":9}`)}, abi.Device{ID: "wrong", Config: []byte(`{"profile":"none"}`)})
	s := meter()
	s.holding = map[int]uint16{}
	ports.Answer = serve(s)
	for _, id := range []string{"refuses", "silent", "silent", "wrong"} { // what is not known is told first, read by read
		if out, got := poll(t, h, id); len(out.Batch.Records) == 0 {
			t.Errorf("%s: told %q", id, got)
		}
	}
	for _, id := range []string{"silent", "refuses", "wrong", "silent"} {
		_, err := h.PollDevice(id, nil)
		if err == nil || !strings.Contains(err.Error(), "none of the 3 devices works; device refuses: holding registers 0: the device refused function 3 with exception 2") {
			t.Errorf("%s: %v", id, err)
		}
	}
	s.holding[900] = 1
	if _, got := poll(t, h, "refuses"); got != "b=1" {
		t.Errorf("one that works in part: %s", got)
	}
	if _, err := h.PollDevice("silent", nil); err != nil {
		t.Errorf("beside one that works: %v", err)
	}
}

// A lane with one device that is silent says so, and leaves it alone for longer and longer.
func TestASilentDeviceIsTheLanesTrouble(t *testing.T) {
	h, ports, _ := opened(t, `{"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)})
	ports.Answer = serve(meter())
	poll(t, h, "gone")
	var waits []uint64
	for range 3 {
		_, err := h.PollDevice("gone", nil)
		said, ok := errors.AsType[*abi.Error](err)
		if !ok || said.Code != "timeout" || !strings.HasPrefix(said.Text, "device gone: holding registers 0: ") {
			t.Fatalf("%v", err)
		}
		waits = append(waits, said.RetryAfterMS)
	}
	if fmt.Sprint(waits) != "[4000 8000 16000]" {
		t.Errorf("waits %v", waits)
	}
}

// Over TCP, a late answer to an earlier request is passed over.
func TestTCP(t *testing.T) {
	h := guesttest.New(t, &bus{})
	h.Log()
	peers := h.TCP("plc1:502")
	s := meter()
	late := []byte{0, 99, 0, 0, 0, 5, 7, 3, 2, 0xde, 0xad}
	peers.Answer = func(_ string, request []byte) ([]byte, error) {
		answer := append(append([]byte(nil), request[:4]...), 0, 0, request[6])
		answer = append(answer, s.answer(request[7:])...)
		binary.BigEndian.PutUint16(answer[4:], uint16(len(answer)-6))
		if len(s.requests) == 1 {
			peers.Receive("plc1:502", string(answer))
			return late, nil
		}
		return answer, nil
	}
	in := guesttest.Opening(meterConfig, abi.ReasonStart)
	in.Lane, in.Devices = "tcp://plc1", []abi.Device{{ID: "meter"}}
	if _, err := h.Open(in); err != nil {
		t.Fatal(err)
	}
	if _, got := poll(t, h, "meter"); !strings.HasPrefix(got, "running=true switches=5 volts=215V") {
		t.Errorf("got %s", got)
	}
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: "far", Body: []byte(`5`)}); got != `{"success":true}` || s.holding[100] != 5 {
		t.Errorf("a write: %s", got)
	}
}

// What a server over TCP says that is no answer is asked for again; what it goes on
// saying is told as no communication.
func TestTCPSurvivesNonsense(t *testing.T) {
	for name, mangle := range map[string]func([]byte) []byte{
		"of another unit":     func(b []byte) []byte { b[6]++; return b },
		"of another protocol": func(b []byte) []byte { b[3] = 1; return b },
		"other function":      func(b []byte) []byte { b[7]++; return b },
		"no function at all":  func(b []byte) []byte { return b[:7] },
		"wrong byte count":    func(b []byte) []byte { b[8] += 2; return b },
		"short":               func(b []byte) []byte { return b[:len(b)-1] },
		"long":                func(b []byte) []byte { return append(b, 0) },
		"an empty exception":  func(b []byte) []byte { b[7] |= 0x80; return b[:8] },
	} {
		h := guesttest.New(t, &bus{})
		h.Log()
		peers := h.TCP("plc1:502")
		s, times := meter(), 1
		peers.Answer = func(_ string, request []byte) ([]byte, error) {
			answer := append(append([]byte(nil), request[:4]...), 0, 0, request[6])
			answer = append(answer, s.answer(request[7:])...)
			if times--; times >= 0 {
				answer = mangle(answer)
			}
			binary.BigEndian.PutUint16(answer[4:], uint16(len(answer)-6))
			return answer, nil
		}
		in := guesttest.Opening(`{"unitId":7,"timeseries":[{"tag":"a","address":0}]}`, abi.ReasonStart)
		in.Lane, in.Devices = "plc1:502", []abi.Device{{ID: "meter"}}
		if _, err := h.Open(in); err != nil {
			t.Fatal(err)
		}
		if _, got := poll(t, h, "meter"); got != "a=2150" || len(s.requests) != 2 {
			t.Errorf("%s: %s after %d requests", name, got, len(s.requests))
		}
		times = 2
		if _, got := poll(t, h, "meter"); got != "a=2150 is bad 80310000" {
			t.Errorf("%s again and again: %s", name, got)
		}
	}
}

func TestTestAnswersForEachDevice(t *testing.T) {
	h := guesttest.New(t, &bus{})
	h.Log()
	ports := h.Serial(port)
	test := func(config string, devices ...abi.Device) (result abi.TestResult) {
		t.Helper()
		in := guesttest.Opening(config, abi.ReasonTest)
		in.Lane, in.Devices = port, devices
		answer, err := h.Call(abi.EntryTest, in.Append(nil))
		if err != nil || result.Decode(answer) != nil {
			t.Fatal(err)
		}
		return result
	}
	ports.Answer = serve(meter())
	if r := test(meterConfig, abi.Device{ID: "meter"}, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)}); !r.Success || r.Message != "1 of 2 devices answer" {
		t.Errorf("%+v", r)
	}
	if r := test(`{"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)}); r.Success || r.Message != "0 of 1 devices answer" {
		t.Errorf("nobody answers: %+v", r)
	}
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant covers it with the right to write"}
	}
	if r := test(meterConfig, abi.Device{ID: "meter"}); r.Success || string(r.Details[0].Value) != "denied" {
		t.Errorf("without a grant: %+v", r)
	}
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultNotActive, Code: "not_active", Text: "the running version still owns the writes"}
	}
	if r := test(meterConfig, abi.Device{ID: "meter"}); !r.Success || string(r.Details[0].Value) != untried {
		t.Errorf("where a test may not write: %+v", r)
	}
	if r := test(`{}`); !r.Success {
		t.Errorf("without devices: %+v", r)
	}
	r := test(`{"profiles":{"m":{"timeseries":[{"tag":"a","address":0,"type":"string","divider":2}]}}}`)
	if r.Success || !strings.Contains(r.Message, "device of profile m: /timeseries/0/multiplier only numbers are scaled") {
		t.Errorf("a profile that is wrong: %+v", r)
	}
}
