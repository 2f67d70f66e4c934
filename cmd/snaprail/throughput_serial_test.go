package main

import (
	"bufio"
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.bug.st/serial"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// strand is a serial line with nobody at its far end yet.
type strand struct {
	near *os.File
	name string
}

func newStrand(b *testing.B) strand {
	b.Helper()
	near, far, err := pty.Open()
	check(b, err)
	name := far.Name()
	raw(b, name)
	b.Cleanup(func() { check(b, near.Close()); check(b, far.Close()) })
	return strand{near, name}
}

// raw makes the line carry bytes as they are before anybody writes to it.
func raw(b *testing.B, name string) {
	b.Helper()
	p, err := serial.Open(name, &serial.Mode{BaudRate: 115200})
	check(b, err)
	check(b, p.Close())
}

// send writes n frames of a weather station.
func (w strand) send(b *testing.B, n int) {
	b.Helper()
	frames := bytes.Repeat([]byte("20.5 C;48.1 %;1013.2 hPa;ok\n"), batchItems)
	for size := len(frames) / batchItems; n > 0; n -= batchItems {
		_, err := w.near.Write(frames[:min(n, batchItems)*size])
		check(b, err)
	}
}

// serialRace moves frames from a pseudo-terminal into the outbox: through the
// group, the connector that ships, and the log. The plain program reads with the
// same driver.
func serialRace(b *testing.B) race {
	b.Helper()
	w := newWorks(b)
	line := newStrand(b)
	id := w.connect(control.ConnectorInput{
		Name: "line", Grants: []spec.Grant{{Group: "serial", Resources: []string{line.name}, Rights: []spec.Right{spec.Read}}},
	}, "serialline", map[string]any{"devices": []any{map[string]any{"name": "roof", "port": line.name}}})
	move := func(n int) {
		want := w.records(id) + n
		go line.send(b, n)
		w.until("frames are durable", func() bool { return w.records(id) >= want })
	}
	return race{
		what: "frames of 28 bytes from a pty", unit: "frames", step: batchItems, ours: mover{"snaprail", move},
		others: []mover{
			{"durable", plainLine(b, newLedger(b, true))},
			{"careless", plainLine(b, newLedger(b, false))},
		},
	}
}

// plainLine reads frames from a line of its own and writes them down.
func plainLine(b *testing.B, to *ledger) func(n int) {
	b.Helper()
	line := newStrand(b)
	port, err := serial.Open(line.name, &serial.Mode{BaudRate: 115200})
	check(b, err)
	b.Cleanup(func() { check(b, port.Close()) })
	in := bufio.NewReader(port)
	return func(n int) {
		go line.send(b, n)
		frames := make(chan []byte, 4*batchItems)
		go func() {
			for range n {
				frame, err := in.ReadBytes('\n')
				if err != nil {
					b.Error(err)
				}
				frames <- frame
			}
		}()
		gather(frames, n, func(list [][]byte) {
			batch := abi.Batch{Records: make([]abi.Record, len(list))}
			for i, frame := range list {
				batch.Records[i] = abi.Record{Device: "roof", Kind: abi.KindTelemetry, Time: time.Now().UnixNano(), ContentType: "application/octet-stream", Payload: frame}
			}
			to.add(&batch)
		})
	}
}
