// Command httpsink delivers the records of other connectors to a web server, in
// batches. README.md says how to configure it.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/reading"
)

var _ = snaprail.Register(&sink{})

func main() {}

// Bounds of one call.
const (
	maxBody     = 700 << 10 // bytes of a request, before it is compressed: with headers it is less than may cross at once
	maxRequests = 32        // that one call makes; what is left is handed in again
	worktime    = 3500 * time.Millisecond
)

// The waits before a batch is sent again that the server did not take.
const (
	firstWait = time.Second
	lastWait  = time.Minute
)

// testNone is the value of test that asks the server nothing.
const testNone = "none"

// config is what README.md says.
type config struct {
	URL      string            `json:"url"`
	Method   string            `json:"method"`
	Headers  map[string]string `json:"headers"`
	Username string            `json:"username"`
	Password string            `json:"password"`
	CA       string            `json:"ca"`
	Timeout  float64           `json:"timeout"` // s
	Format   string            `json:"format"`
	Gzip     bool              `json:"gzip"`
	Test     string            `json:"test"`
}

// sink is the connector.
type sink struct {
	config   config
	failures int // in a row
	trouble  log.Seldom

	// of one call
	items    []item
	texts    []byte // of the items, one behind the other
	requests int
	until    int64 // unix ns
	step     *snaprail.Step
}

// item is one record on its way.
type item struct {
	key      string // by which a receiver knows it again
	from, to int    // its text, as it is sent, in texts
}

func (i item) size() int { return i.to - i.from }

// Open reads the config.
func (s *sink) Open(in *abi.OpenInput, _ *snaprail.Step) error { return s.configure(in) }

func (s *sink) configure(in *abi.OpenInput) error {
	*s = sink{config: config{Method: "POST", Timeout: 3, Format: formatJSON}}
	return snaprail.Config(in, &s.config)
}

// Test asks the server what it takes, and sends it nothing.
func (s *sink) Test(in *abi.OpenInput) abi.TestResult {
	if err := s.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	if s.config.Test == testNone {
		return abi.TestResult{Success: true, Message: "the server was not asked, as the config has it"}
	}
	q := s.request()
	q.Method = "OPTIONS"
	reply, err := http.Do(q)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	said := answered(&reply)
	switch status := reply.Status; {
	case status == 404 || status == 410:
		return abi.TestResult{Success: true, Message: said + " to OPTIONS: there is nothing at " + s.config.URL + ", or it knows no OPTIONS; the first batch will tell"}
	case status == 405 || status == 501:
		return abi.TestResult{Success: true, Message: said + " to OPTIONS: it is there, and does not say what it takes"}
	case status == 401 || status == 403 || status >= 500:
		return abi.TestResult{Message: said + " to OPTIONS " + s.config.URL}
	}
	return abi.TestResult{Success: true, Message: said}
}

// Deliver sends the records, in order. What the server does not take for now is
// handed in again with all behind it; a record that it refuses is put aside.
func (s *sink) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	s.read(in, step)
	for from := 0; from < len(s.items); {
		to := s.fit(from)
		if !s.send(from, to) {
			return nil
		}
		from = to
	}
	return nil
}

// read writes what was handed in as it is sent.
func (s *sink) read(in *abi.DeliverInput, step *snaprail.Step) {
	if cap(s.texts) > 2*maxBody {
		s.texts = nil
	}
	s.items, s.texts, s.requests, s.until, s.step = s.items[:0], s.texts[:0], 0, time.Now().Add(worktime).UnixNano(), step
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			from := len(s.texts)
			s.texts = appendRecord(s.texts, s.config.Format, part, i)
			s.items = append(s.items, item{part.Key(i), from, len(s.texts)})
		}
	}
}

// fit is the end of the batch that begins at from.
func (s *sink) fit(from int) int {
	size := s.items[from].size()
	to := from + 1
	for to < len(s.items) && size+s.items[to].size()+1 <= maxBody {
		size += s.items[to].size() + 1
		to++
	}
	return to
}

// send sends a batch. false: the server does not take it now, and what is behind it
// has to wait, too.
func (s *sink) send(from, to int) bool {
	if s.requests >= maxRequests || s.requests > 0 && time.Now().UnixNano() > s.until {
		s.step.Retry(from, 0, "the call's time is over")
		return false
	}
	body, err := s.body(from, to)
	if err != nil {
		return s.without(from, to, err.Error())
	}
	s.requests++
	q := s.request()
	q.Body = body
	if s.config.Gzip {
		q.Headers["Content-Encoding"] = "gzip"
	}
	q.Headers["Idempotency-Key"] = s.name(from, to)
	reply, err := http.Do(q)
	switch {
	case err != nil:
		s.hold(from, held(err))
		return false
	case reply.OK():
		s.back()
		return true
	}
	reason := answered(&reply)
	if !refuses(reply.Status) {
		s.hold(from, &abi.Error{Text: reason, RetryAfterMS: uint64(max(reply.RetryAfter(), 0).Milliseconds())})
		return false
	}
	if to-from == 1 {
		s.back() // it works; the record does not
	}
	return s.without(from, to, reason)
}

// without puts aside the record of a batch that can never be delivered: one of them
// is to blame, and the others are not.
func (s *sink) without(from, to int, reason string) bool {
	if to-from == 1 {
		s.step.Reject(from, reason)
		return true
	}
	middle := from + (to-from)/2
	return s.send(from, middle) && s.send(middle, to)
}

// refuses reports whether a status means that these records will never be taken.
// What concerns the address, the login or the server's state passes, once somebody
// mends it: no record is to blame.
func refuses(status int) bool {
	switch status {
	case 401, 402, 403, 404, 405, 407, 408, 421, 423, 425, 429:
		return false
	}
	return status >= 400 && status < 500
}

func (s *sink) request() http.Request {
	c := &s.config
	q := http.Request{
		Method: c.Method, URL: c.URL, Headers: http.Headers{"Content-Type": contentType(c.Format)},
		Timeout: snaprail.Seconds(c.Timeout), Username: c.Username, Password: c.Password, Redirects: -1,
	}
	if c.CA != "" {
		q.TLS = &http.TLS{CA: c.CA}
	}
	maps.Copy(q.Headers, c.Headers)
	return q
}

// body is a batch as it is sent.
func (s *sink) body(from, to int) ([]byte, error) {
	b := make([]byte, 0, s.items[to-1].to-s.items[from].from+to-from+2)
	for i := from; i < to; i++ {
		b = between(b, s.config.Format, i == from)
		b = append(b, s.texts[s.items[i].from:s.items[i].to]...)
	}
	b = end(b, s.config.Format)
	if s.config.Gzip {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err == nil {
			_, err = w.Write(b)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return nil, err
		}
		b = packed.Bytes()
	}
	if len(b) > maxBody+(64<<10) {
		return nil, fmt.Errorf("the record has %d bytes in %s, and a request at most %d", len(b), s.config.Format, maxBody)
	}
	return b, nil
}

// name names a batch by its records: the same one has the same name each time.
func (s *sink) name(from, to int) string {
	if to-from == 1 {
		return s.items[from].key
	}
	return s.items[from].key + ".." + s.items[to-1].key + "/" + strconv.Itoa(to-from)
}

// hold asks for everything from here on again, after the wait that the server or the
// host wishes, or one that grows.
func (s *sink) hold(from int, why *abi.Error) {
	wait := time.Duration(min(why.RetryAfterMS, uint64(time.Hour.Milliseconds()))) * time.Millisecond
	if wait <= 0 {
		wait = min(lastWait, firstWait<<min(s.failures, 10))
	}
	s.failures++
	s.trouble.Warning("nothing is delivered: " + why.Text)
	s.step.RetryFor(from, wait, why)
}

func (s *sink) back() {
	if s.trouble.Over() {
		log.Info("it delivers again")
	}
	s.failures = 0
}

// held is an error of a request, by which records are held.
func held(err error) *abi.Error {
	if said, ok := errors.AsType[*abi.Error](err); ok {
		return said
	}
	return &abi.Error{Text: err.Error()}
}

// answered is what a server answered, in a sentence. A page is made for people who
// look at it with a browser, and says nothing here.
func answered(reply *http.Response) string {
	said := "the server answers " + strconv.Itoa(reply.Status)
	kind := strings.ToLower(reply.Headers.Get("Content-Type"))
	text := bytes.TrimSpace(reply.Body)
	if len(text) == 0 || text[0] == '<' || strings.Contains(kind, "html") {
		return said
	}
	return said + ": " + reading.Clip(text)
}
