// Command httppoll asks a web server at an interval and makes records of what it
// answers. README.md says how to configure it.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

var _ = snaprail.Register(&poller{})

func main() {}

// deviceType is that of all devices.
const deviceType = "httppoll"

// Bounds of the guest's own.
const (
	maxDevice = 200
	maxTries  = 10               // of a page that the server cannot answer
	inOneStep = abi.MaxItems - 8 // records; an element is two at most
)

// poller is the connector.
type poller struct {
	config config
	set    *reading.Set
	known  snaprail.Known
	tries  int // of the page that is next, in a row
}

// place is how far the source was read: the cursor of the connector.
type place struct {
	validators            // of the last round that was read to its end
	Since      string     `json:"since,omitempty"` // of the last page of a round
	Page       string     `json:"page,omitempty"`  // the next one of this round
	Pages      int        `json:"pages,omitempty"` // of this round
	Round      validators `json:"round,omitzero"`  // of this round: until its last page was read, what has not changed has not been read
}

// validators are what the server knows the first page by.
type validators struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
}

// anew begins a round that reads all.
func (at *place) anew() { *at = place{Since: at.Since} }

// Open reads the config.
func (p *poller) Open(in *abi.OpenInput, step *snaprail.Step) error {
	if err := p.configure(in); err != nil {
		return err
	}
	p.known.Open(in)
	p.name(p.config.Device, step)
	return nil
}

// Test asks once, and keeps nothing.
func (p *poller) Test(in *abi.OpenInput) abi.TestResult {
	if err := p.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	reply, err := p.ask(&place{})
	if err == nil {
		err = refused(&reply)
	}
	if err == nil && p.config.Format == "json" && !json.Valid(reply.Body) {
		err = fmt.Errorf("the answer %q is not JSON", reading.Clip(reply.Body))
	}
	if err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "the server answers " + strconv.Itoa(reply.Status)}
}

func (p *poller) configure(in *abi.OpenInput) (err error) {
	*p = poller{config: usual()}
	if err := snaprail.Config(in, &p.config); err != nil {
		return err
	}
	if err := p.config.check(); err != nil {
		return reading.Invalid(err)
	}
	configs := make([]reading.Config, len(p.config.Fields))
	for i := range configs {
		configs[i] = p.config.Fields[i].Config
	}
	if p.set, err = reading.NewSet(configs); err != nil {
		return reading.Invalid(err)
	}
	return nil
}

// Poll asks for one page.
func (p *poller) Poll(cursor []byte, step *snaprail.Step) error {
	var at place
	if len(cursor) > 0 && json.Unmarshal(cursor, &at) != nil {
		at = place{} // of another version of the connector: what is read twice is better than not at all
	}
	defer func() { // behind all that was emitted; a failed poll waits as long
		if step.Outcome().NextPollMS == 0 {
			step.NextPoll(snaprail.Seconds(p.config.Interval))
		}
	}()
	reply, err := p.ask(&at)
	if err != nil {
		return err
	}
	if reply.Status == 304 {
		return nil
	}
	if err := refused(&reply); err != nil {
		return p.refusedPage(&at, &reply, err, step)
	}
	p.tries = 0
	if p.config.Format == "json" && !json.Valid(reply.Body) {
		return failed("bad_answer", fmt.Sprintf("the answer %q is not JSON", reading.Clip(reply.Body)), 0)
	}
	if err := p.records(&reply, step); err != nil {
		return err
	}
	p.move(&at, &reply, step)
	return nil
}

// refusedPage keeps the place in a list while the server is away, busy or refuses the
// login. When it says that the place is gone, or has failed at it for long, the next
// round begins anew.
func (p *poller) refusedPage(at *place, reply *http.Response, err error, step *snaprail.Step) error {
	if at.Page == "" {
		return err
	}
	switch status := reply.Status; {
	case status == 401, status == 402, status == 403, status == 407:
		return err
	case status < 400, status == 408, status == 425, status == 429, status >= 500:
		if p.tries++; p.tries < maxTries {
			return err
		}
	}
	log.Warning("page " + at.Page + ": " + err.Error() + "; the next round begins anew")
	p.tries = 0
	at.anew()
	keep(at, step)
	return nil
}

// move notes what was read, and goes on with the next page at once.
func (p *poller) move(at *place, reply *http.Response, step *snaprail.Step) {
	c := &p.config
	if at.Page == "" { // of the first page of a round: of the others nobody asks again
		at.Round = validators{reply.Headers.Get("ETag"), reply.Headers.Get("Last-Modified")}
	}
	if c.since.Set {
		if since, ok := c.since.Text(reply.Body); ok {
			at.Since = since
		}
	}
	page, more := "", false
	if c.page.Set {
		page, more = c.page.Text(reply.Body)
	}
	switch {
	case !more || page == "" || page == at.Page:
		*at = place{validators: at.Round, Since: at.Since}
	case at.Pages+1 >= c.MaxPages:
		rest := "the rest is not read: raise max_pages, or give since_pointer, from where the next round goes on"
		if c.since.Set {
			rest = "the rest waits for the next one"
		}
		log.Warning("a round has more than " + strconv.Itoa(c.MaxPages) + " pages: " + rest)
		at.anew()
	default:
		at.Page = page
		at.Pages++
		step.NextPoll(time.Millisecond)
	}
	keep(at, step)
}

func keep(at *place, step *snaprail.Step) {
	cursor, err := json.Marshal(at)
	if err == nil { // texts and a number always can be
		step.SetCursor(cursor)
	}
}

// ask sends the request.
func (p *poller) ask(at *place) (http.Response, error) {
	c := &p.config
	q := http.Request{
		Method: c.Method, URL: c.URL, Headers: http.Headers{"Accept": "application/json"}, Query: map[string]string{},
		Timeout: snaprail.Seconds(c.Timeout), Retries: c.Retries, Username: c.Username, Password: c.Password,
	}
	maps.Copy(q.Headers, c.Headers)
	if c.CA != "" {
		q.TLS = &http.TLS{CA: c.CA}
	}
	if c.Body != "" {
		q.Body = []byte(c.Body)
		if q.Headers.Get("Content-Type") == "" {
			q.Headers["Content-Type"] = "application/json"
		}
	}
	if at.Since != "" {
		q.Query[c.SinceParam] = at.Since
	}
	switch {
	case at.Page == "":
		if at.ETag != "" {
			q.Headers["If-None-Match"] = at.ETag
		}
		if at.Modified != "" {
			q.Headers["If-Modified-Since"] = at.Modified
		}
	case c.PageParam != "":
		q.Query[c.PageParam] = at.Page
	default:
		next, err := c.onward(at.Page)
		if err != nil {
			return http.Response{}, err
		}
		q.URL, q.Query = next, nil
	}
	return http.Do(q)
}

// refused is the error of an answer that is none of success.
func refused(reply *http.Response) error {
	if reply.OK() || reply.Status == 304 {
		return nil
	}
	text := fmt.Sprintf("the server answers %d: %s", reply.Status, reading.Clip(reply.Body))
	var wait time.Duration
	if reply.Status == 429 || reply.Status >= 500 {
		wait = reply.RetryAfter()
	}
	return failed("http_"+strconv.Itoa(reply.Status), text, wait)
}

func failed(code, text string, wait time.Duration) error {
	return &abi.Error{
		Kind: abi.FaultUnavailable, Code: code, Text: text, Hint: "Look at the server, and at the connector's url, headers and secrets.",
		RetryAfterMS: uint64(max(0, wait.Milliseconds())),
	}
}

// records makes the records of one page.
func (p *poller) records(reply *http.Response, step *snaprail.Step) error {
	c := &p.config
	if c.Format == "raw" {
		p.payload(c.Device, time.Now().UnixNano(), reply.Headers.Get("Content-Type"), reply.Body, "", step)
		return nil
	}
	elements := []json.RawMessage{reply.Body}
	if c.isEach {
		var ok bool
		if elements, ok = c.each.List(reply.Body); !ok {
			return failed("bad_answer", c.Each+" is no list in the answer", 0)
		}
	}
	now, unread := time.Now().UnixNano(), 0
	var why error
	for i, element := range elements {
		if len(step.Outcome().Batch.Records) >= inOneStep {
			if _, err := snaprail.Emit(step); err != nil {
				return err
			}
		}
		if err := p.record(element, now, step); err != nil {
			if p.unread(element, now, err, step); unread == 0 {
				why = fmt.Errorf("the first is element %d: %w", i, err)
			}
			unread++
		}
	}
	if unread > 0 {
		log.Warning(strconv.Itoa(unread) + " elements do not fit, and were recorded as events: " + why.Error())
	}
	return nil
}

// unread records an element that does not fit as it came, as an event that says why:
// the source has it no longer when the cursor has moved. It does not hold up the
// others, of which the source would say the same again and again.
func (p *poller) unread(element json.RawMessage, now int64, why error, step *snaprail.Step) {
	device, err := p.deviceOf(element)
	if err != nil {
		device = p.config.Device
	}
	p.name(device, step)
	r := step.Record(abi.KindEvent, device, now)
	r.ContentType, r.Payload = "application/json", element
	r.Headers = append(r.Headers, abi.Header{Name: "unread", Value: []byte(why.Error())})
	if id := p.idOf(element); id != "" {
		r.SourceKey = "unread/" + id // it is no repeat of it when it fits, one day
	}
}

func (p *poller) deviceOf(element json.RawMessage) (string, error) {
	c := &p.config
	if !c.device.Set {
		return c.Device, nil
	}
	text, ok := c.device.Text(element)
	if !ok || text == "" || len(text) > maxDevice || !utf8.ValidString(text) {
		return "", fmt.Errorf("there is no device at %s", c.DevicePointer)
	}
	return text, nil
}

func (p *poller) idOf(element json.RawMessage) string {
	if !p.config.id.Set {
		return ""
	}
	id, _ := p.config.id.Text(element)
	return id
}

func (p *poller) record(element json.RawMessage, now int64, step *snaprail.Step) error {
	c := &p.config
	device, err := p.deviceOf(element)
	if err != nil {
		return err
	}
	at := now
	if c.time.Set {
		text, ok := c.time.Text(element)
		if !ok {
			return fmt.Errorf("there is no time at %s", c.TimePointer)
		}
		if at, err = parseTime(text, c.TimeFormat); err != nil {
			return err
		}
	}
	id := p.idOf(element)
	if p.set.Len() == 0 {
		p.payload(device, at, "application/json", element, id, step)
		return nil
	}
	p.set.Clear()
	for i := range p.set.Len() {
		raw, ok := c.Fields[i].at.Find(element)
		if !ok && c.Fields[i].Optional {
			continue
		}
		f := p.set.Field(i)
		v, err := f.JSON(raw)
		if err != nil {
			return err
		}
		p.set.Put(i, v)
	}
	p.name(device, step)
	p.set.Emit(&abi.Record{SourceKey: id}, device, at, step)
	return nil
}

func (p *poller) payload(device string, at int64, contentType string, payload []byte, id string, step *snaprail.Step) {
	p.name(device, step)
	step.Payload(device, at, contentType, payload).SourceKey = id
}

// parseTime reads a time in unix ns.
func parseTime(text, format string) (int64, error) {
	units := map[string]float64{"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1}
	if unit, ok := units[format]; ok {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && float64(n)*unit < 1<<63 && float64(n)*unit > -1<<63 {
			return n * int64(unit), nil
		}
		if n, err := strconv.ParseFloat(text, 64); err == nil && n*unit < 1<<63 && n*unit > -1<<63 {
			return int64(n * unit), nil
		}
		return 0, fmt.Errorf("%q is no time in %s", reading.Clip([]byte(text)), format)
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("%q is no time as in 2006-01-02T15:04:05Z", reading.Clip([]byte(text)))
	}
	return at.UnixNano(), nil
}

// name tells the host of a device when it is first seen.
func (p *poller) name(device string, step *snaprail.Step) {
	if !p.known.Name(step, deviceType, device) {
		log.Warning("more than " + strconv.Itoa(snaprail.MaxKnown) + " devices: " + device + " and others are not listed")
	}
}
