package peertest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MTConnect is an agent as MTConnect Part 1 (Overview and Fundamentals) has it: it
// answers probe, current and sample over a buffer of observations, of which the
// oldest go when it is full. It has one machine with three axes' worth of data
// items, beside itself.
type MTConnect struct {
	mu       sync.Mutex
	instance uint64
	next     uint64 // sequence number
	size     int
	buffer   []Observation
	latest   map[string]Observation
	refuse   int // status to answer; 0: none
}

// Observation is one of a data item: for a condition, Value is its level, as in
// Fault, and Text what it says.
type Observation struct {
	Item, Value, Text string
	Attrs             string // as in ` nativeCode="12"`

	sequence uint64
	time     time.Time
}

// dataItem is what a probe says of one.
type dataItem struct {
	id, name, category, kind, units, component, element string
}

// machine is the data items of the one device.
func machine() []dataItem {
	return []dataItem{
		{"avail", "avail", "EVENT", "AVAILABILITY", "", "Device", "Availability"},
		{"Xpos", "Xact", "SAMPLE", "POSITION", "MILLIMETER", "Linear", "Position"},
		{"Path", "path_pos", "SAMPLE", "PATH_POSITION", "MILLIMETER_3D", "Path", "PathPosition"},
		{"Srpm", "Srpm", "SAMPLE", "ROTARY_VELOCITY", "REVOLUTION/MINUTE", "Rotary", "RotaryVelocity"},
		{"exec", "execution", "EVENT", "EXECUTION", "", "Path", "Execution"},
		{"parts", "PartCountAct", "EVENT", "PART_COUNT", "", "Path", "PartCount"},
		{"vars", "variables", "EVENT", "VARIABLE", "", "Path", "VariableDataSet"},
		{"Stemp1", "temp", "SAMPLE", "TEMPERATURE", "CELSIUS", "Rotary", "Temperature"},
		{"Stemp2", "temp", "SAMPLE", "TEMPERATURE", "CELSIUS", "Linear", "Temperature"},
		{"Scond", "spindle_condition", "CONDITION", "TEMPERATURE", "", "Rotary", ""},
	}
}

// NewMTConnect is an agent whose buffer holds size observations, all of which are
// unavailable to begin with.
func NewMTConnect(size int) *MTConnect {
	a := &MTConnect{size: size}
	a.Restart()
	return a
}

// Restart begins a new life of the agent: another instanceId, and sequence numbers
// from 1.
func (a *MTConnect) Restart() {
	a.mu.Lock()
	a.instance++
	a.next, a.buffer, a.latest = 1, nil, map[string]Observation{}
	a.mu.Unlock()
	for _, it := range machine() {
		value := "UNAVAILABLE"
		if it.category == "CONDITION" {
			value = "Unavailable"
		}
		a.Add(Observation{Item: it.id, Value: value})
	}
}

// Add adds observations, one millisecond apart.
func (a *MTConnect) Add(list ...Observation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range list {
		o.sequence, o.time = a.next, time.Unix(1_700_000_000, 0).Add(time.Duration(a.next)*time.Millisecond)
		a.next++
		a.buffer = append(a.buffer, o)
		a.latest[o.Item] = o
	}
	if over := len(a.buffer) - a.size; over > 0 {
		a.buffer = a.buffer[over:]
	}
}

// Refuse makes the agent answer this status and nothing of MTConnect; 0: no more.
func (a *MTConnect) Refuse(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = status
}

// ServeHTTP implements http.Handler.
func (a *MTConnect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse != 0 {
		http.Error(w, "<html>not now</html>", a.refuse)
		return
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	what := parts[len(parts)-1]
	if len(parts) == 2 && parts[0] != "VMC-3Axis" && parts[0] != "000" {
		a.fail(w, "NO_DEVICE", "Could not find the device '"+parts[0]+"'")
		return
	}
	switch what {
	case "probe", "":
		a.probe(w)
	case "current":
		list := make([]Observation, 0, len(a.latest))
		for _, it := range machine() {
			list = append(list, a.latest[it.id])
		}
		a.streams(w, list, a.next)
	case "sample":
		a.sample(w, r)
	default:
		a.fail(w, "UNSUPPORTED", "The following path is invalid: "+what)
	}
}

func (a *MTConnect) first() uint64 { return a.next - uint64(len(a.buffer)) }

func (a *MTConnect) sample(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseUint(r.FormValue("from"), 10, 64)
	count, err2 := strconv.Atoi(r.FormValue("count"))
	switch {
	case err != nil || err2 != nil || count < 1:
		a.fail(w, "INVALID_REQUEST", "'from' and 'count' must be positive integers")
		return
	case from < a.first() || from > a.next:
		a.fail(w, "OUT_OF_RANGE", fmt.Sprintf("'from' must be between %d and %d", a.first(), a.next))
		return
	}
	begin := int(from - a.first())
	end := min(begin+count, len(a.buffer))
	a.streams(w, a.buffer[begin:end], a.first()+uint64(end))
}

func (a *MTConnect) header(next uint64) string {
	sequences := ""
	if next > 0 {
		sequences = fmt.Sprintf(` firstSequence="%d" lastSequence="%d" nextSequence="%d"`, a.first(), a.next-1, next)
	}
	return fmt.Sprintf(`<Header creationTime="2023-11-14T22:13:20Z" sender="agent" instanceId="%d" version="1.7.0.3" bufferSize="%d"%s/>`, a.instance, a.size, sequences)
}

func (a *MTConnect) fail(w http.ResponseWriter, code, text string) {
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><MTConnectError xmlns="urn:mtconnect.org:MTConnectError:1.7">%s<Errors><Error errorCode="%s">%s</Error></Errors></MTConnectError>`,
		a.header(0), code, escaped(text))
}

func (a *MTConnect) probe(w http.ResponseWriter) {
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.7">%s<Devices>`, a.header(0))
	fmt.Fprint(w, `<Device id="dev" name="VMC-3Axis" uuid="000"><Description manufacturer="Works &amp; Sons" serialNumber="001">A mill</Description><Components>`)
	component := ""
	for _, it := range machine() {
		if it.component != component {
			if component != "" {
				fmt.Fprintf(w, "</DataItems></%s>", component)
			}
			component = it.component
			fmt.Fprintf(w, `<%s id="%s"><DataItems>`, component, it.id+"c")
		}
		units := ""
		if it.units != "" {
			units = ` units="` + it.units + `"`
		}
		fmt.Fprintf(w, `<DataItem category="%s" id="%s" name="%s" type="%s"%s/>`, it.category, it.id, it.name, it.kind, units)
	}
	fmt.Fprintf(w, "</DataItems></%s></Components></Device></Devices></MTConnectDevices>", component)
}

func (a *MTConnect) streams(w http.ResponseWriter, list []Observation, next uint64) {
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><m:MTConnectStreams xmlns:m="urn:mtconnect.org:MTConnectStreams:1.7" xmlns="urn:mtconnect.org:MTConnectStreams:1.7">%s<Streams><DeviceStream name="VMC-3Axis" uuid="000">`, a.header(next))
	categories := map[string]string{"SAMPLE": "Samples", "EVENT": "Events", "CONDITION": "Condition"}
	for _, it := range machine() { // grouped, and not in the order of sequence numbers
		for _, o := range list {
			if o.Item != it.id {
				continue
			}
			element, value := it.element, escaped(o.Value)
			switch {
			case it.category == "CONDITION":
				element, value = o.Value, escaped(o.Text)
			case strings.HasSuffix(it.element, "DataSet") && o.Value != "UNAVAILABLE":
				key, v, _ := strings.Cut(o.Value, "=")
				value = `<Entry key="` + escaped(key) + `">` + escaped(v) + `</Entry>`
			}
			fmt.Fprintf(w, `<ComponentStream component="%s" name="%s"><%s><%s dataItemId="%s" name="%s" sequence="%d" timestamp="%s" type="%s"%s>%s</%s></%s></ComponentStream>`,
				it.component, it.component, categories[it.category], element, it.id, it.name, o.sequence, o.time.UTC().Format(time.RFC3339Nano), it.kind, o.Attrs, value, element, categories[it.category])
		}
	}
	fmt.Fprint(w, "</DeviceStream></Streams></m:MTConnectStreams>")
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // into memory
	return b.String()
}
