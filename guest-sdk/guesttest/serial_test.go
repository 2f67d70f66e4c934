package guesttest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/serial"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// opener runs what a test asks of serial ports.
type opener struct{ do func() error }

func (o *opener) Open(*abi.OpenInput, *snaprail.Step) error { return o.do() }

// TestSerialPortsArePlayed: what the SDK asks of a port is what the harness plays.
func TestSerialPortsArePlayed(t *testing.T) {
	guest := &opener{}
	h := guesttest.New(t, guest)
	ports := h.Serial("/dev/a")
	ports.Answer = func(port string, request []byte) ([]byte, error) {
		if string(request) == "silent" {
			return nil, nil
		}
		return []byte(port + " " + string(request)), nil
	}
	ports.Listed = []abi.SerialPort{{Path: "/dev/a"}}
	ports.Receive("/dev/a", "one\ntwo\nthree")
	guest.do = func() error {
		p, err := serial.Open(serial.Defaults("/dev/a"))
		if err != nil {
			return err
		}
		frame, err := p.Transact([]byte("ask"), time.Second)
		if err != nil || string(frame.Data) != "/dev/a ask" || frame.Time == 0 {
			t.Errorf("transact: %q, %v", frame.Data, err)
		}
		if _, err := p.Transact([]byte("silent"), time.Second); !isTimeout(err) {
			t.Errorf("silence: %v", err)
		}
		if frames, err := p.Exchange(abi.SerialTransact{Data: []byte("all")}); err != nil || len(frames) != 0 {
			t.Errorf("to everybody: %v, %v", frames, err)
		}
		line, err := p.ReadUntil(nil, 0, nil)
		if err != nil || string(line) != "one\n" {
			t.Errorf("a line: %q, %v", line, err)
		}
		some, err := p.Read(4, new(time.Second))
		if err != nil || string(some) != "two\n" {
			t.Errorf("four bytes: %q, %v", some, err)
		}
		if rest, err := p.Read(99, new(time.Duration(0))); err != nil || string(rest) != "three" {
			t.Errorf("the rest: %q, %v", rest, err)
		}
		if list, err := serial.List(); err != nil || len(list) != 1 || list[0].Path != "/dev/a" {
			t.Errorf("the list: %v, %v", list, err)
		}
		_, err = p.Signals()
		return errors.Join(err, p.SetSignals(new(true), nil), p.Break(time.Millisecond))
	}
	h.MustOpen(`{}`)
	if got := ports.Written("/dev/a"); got != "asksilentall" {
		t.Errorf("written %q", got)
	}
}

func isTimeout(err error) bool {
	fault, ok := errors.AsType[*abi.Error](err)
	return ok && fault.Kind == abi.FaultTimeout
}
