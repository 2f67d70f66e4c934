package client

import (
	"bufio"
	"bytes"
	"io"

	"github.com/snaprail/snaprail/runtime/fault"
)

// maxEvent bounds one event: a record is at most 1 MiB on the wire of the
// guest, and grows by the escapes of JSON.
const maxEvent = 16 << 20

// event is one server-sent event.
type event struct {
	id, name string
	data     []byte // valid until the next one
}

// events reads server-sent events (HTML Living Standard, 9.2.6).
type events struct {
	lines *bufio.Scanner
	data  bytes.Buffer
}

func newEvents(r io.Reader) *events {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 16<<10), maxEvent)
	return &events{lines: lines}
}

// next reads one event. alive is called for each line, comments included.
func (e *events) next(alive func()) (ev event, err error) {
	e.data.Reset()
	ev.name = "message"
	some := false
	for e.lines.Scan() {
		alive()
		line := e.lines.Bytes()
		if len(line) == 0 {
			if some {
				ev.data = bytes.TrimSuffix(e.data.Bytes(), []byte("\n"))
				return ev, nil
			}
			ev.name = "message"
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			ev.id = string(value)
		case "event":
			ev.name = string(value)
		case "data":
			some = true
			e.data.Write(value)
			e.data.WriteByte('\n')
			if e.data.Len() > maxEvent {
				return ev, fault.New(fault.TooLarge, "an event of the stream is larger than %d bytes", maxEvent)
			}
		}
	}
	if err := e.lines.Err(); err != nil {
		return ev, err
	}
	return ev, io.EOF
}
