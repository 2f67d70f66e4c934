package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

const port = "/dev/ttyUSB0"

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
