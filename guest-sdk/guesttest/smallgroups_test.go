package guesttest_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/files"
	"github.com/snaprail/snaprail/guest-sdk/go/metrics"
	"github.com/snaprail/snaprail/guest-sdk/go/notify"
	"github.com/snaprail/snaprail/guest-sdk/go/random"
	"github.com/snaprail/snaprail/guest-sdk/go/tcp"
	"github.com/snaprail/snaprail/guest-sdk/go/udp"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// asking does what the test says when it is opened.
type asking func() error

func (a asking) Open(*abi.OpenInput, *snaprail.Step) error { return a() }

func TestStreams(t *testing.T) {
	var conn tcp.Conn
	var got []string
	h := guesttest.New(t, asking(func() (err error) {
		if conn, err = tcp.Open(abi.TCPOpen{Address: "plc1:502", Pull: true, Framing: tcp.Length(4, 2, 0)}); err != nil {
			return err
		}
		data, err := conn.Transact([]byte("ask"), time.Second)
		if err != nil {
			return err
		}
		got = append(got, string(data.Data))
		if _, err := conn.Write([]byte("tell")); err != nil {
			return err
		}
		line, err := conn.ReadUntil([]byte("\n"), 80, time.Second)
		got = append(got, string(line.Data))
		rest, err2 := conn.Read(0)
		got = append(got, string(rest.Data))
		if err == nil {
			err = err2
		}
		return err
	}))
	s := h.TCP("plc1:502")
	s.Answer = func(address string, request []byte) ([]byte, error) {
		s.Receive(address, "one\ntwo")
		return append([]byte("re: "), request...), nil
	}
	h.MustOpen("{}")
	if want := "re: ask|one\n|two"; strings.Join(got, "|") != want || s.Written("plc1:502") != "asktell" {
		t.Errorf("got %q, the peer %q", got, s.Written("plc1:502"))
	}
	if e := s.Frame("plc1:502", "x"); e.Handle != conn.Handle() || len(s.Opened()) != 1 {
		t.Errorf("event %+v of %+v", e, s.Opened())
	}
	if _, err := h.Open(abi.OpenInput{Reason: abi.ReasonSwap}); err != nil {
		t.Error(err)
	}
	s.Refuse("plc1:502", errNoAnswer)
	if _, err := h.Open(abi.OpenInput{Reason: abi.ReasonSwap}); err == nil {
		t.Error("the peer is away, and open did not say so")
	}
}

var errNoAnswer = &abi.Error{Kind: abi.FaultUnavailable, Code: "resource_unavailable", Text: "away"}

func TestSmallGroups(t *testing.T) {
	h := guesttest.New(t, asking(func() error {
		peer, err := udp.Open(abi.UDPOpen{Address: "plc1:47808"})
		if err != nil {
			return err
		}
		if n, err := peer.Send([]byte("a"), nil); n != 2 || err != nil {
			t.Errorf("sent %d, %v", n, err)
		}
		if b, err := random.Bytes(random.MaxRead + 2); err != nil || len(b) != random.MaxRead+2 || b[5] != 5 {
			t.Errorf("%d random bytes, %v", len(b), err)
		}
		if err := metrics.Add("frames_total", 2, "Frames.", metrics.Label("unit", "31")); err != nil {
			return err
		}
		if err := metrics.Set("level", -0.5, ""); err != nil {
			return err
		}
		if err := metrics.Observe("seconds", 0.25, ""); err != nil {
			return err
		}
		return notify.Send(abi.SeverityError, "hot", "93 Cel", "pump1/hot")
	}))
	d := h.UDP()
	h.Random()
	changes, notes := h.Metrics(), h.Notifications()
	h.MustOpen("{}")
	if strings.Join(d.Sent["plc1:47808"], "|") != "a|" {
		t.Errorf("sent %q", d.Sent)
	}
	if e := d.Datagram("plc1:47808", "x"); e.Handle != 1 || string(e.Data) != "x" {
		t.Errorf("event %+v", e)
	}
	if m := *changes; len(m) != 3 || m[0].Value != 2 || string(m[0].Labels[0].Value) != "31" || m[1].Kind != abi.MetricGauge || m[2].Kind != abi.MetricHistogram {
		t.Errorf("changes %+v", m)
	}
	if n := *notes; len(n) != 1 || n[0] != (abi.NotifySend{Severity: abi.SeverityError, Title: "hot", Text: "93 Cel", Key: "pump1/hot"}) {
		t.Errorf("notifications %+v", n)
	}
}

func TestBlobs(t *testing.T) {
	h := guesttest.New(t, asking(func() error {
		list, err := files.List()
		if err != nil || len(list) != 2 || list[0].Name != "ca" || list[1].Size != 6 {
			t.Errorf("list %+v, %v", list, err)
		}
		if b, err := files.Read("map"); err != nil || string(b) != "1,2,3\n" {
			t.Errorf("read %q, %v", b, err)
		}
		p := make([]byte, 4)
		if n, err := files.File("map").ReadAt(p, 4); n != 2 || !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %d, %v", n, err)
		}
		if _, err := files.File("map").ReadAt(p, -1); err == nil {
			t.Error("a negative offset was read")
		}
		_, err = files.Stat("none")
		return err
	}))
	h.Blobs(map[string]string{"map": "1,2,3\n", "ca": "x"})
	if _, err := h.Open(abi.OpenInput{Reason: abi.ReasonStart}); err == nil || !strings.Contains(err.Error(), "not_found") {
		t.Errorf("a file that is not there: %v", err)
	}
}
