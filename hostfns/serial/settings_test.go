package serial

import (
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

func encoded(in abi.SerialOpen) []byte { return in.Append(nil) }

// The defaults of S2.19 to S2.33.
func TestDefaults(t *testing.T) {
	got, err := New(Config{}).settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		port: "/dev/ttyUSB0", baud: 9600, dataBits: 8, parity: 'N', stopX2: 2,
		readTimeout: time.Second, writeTimeout: none, openTimeout: 10 * time.Second,
		openRetry: 100 * time.Millisecond, delimiter: "\n", maxFrame: 4096, turnaround: 3645831,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTargetIsCanonical(t *testing.T) {
	g := New(Config{})
	plain, err := g.Target(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range []abi.SerialOpen{
		{Port: "/dev/ttyUSB0"},
		{Port: "/dev//x/../ttyUSB0"},
		{BaudRate: 9600},
		{Parity: "N"},
		{Delimiter: []byte("\n")},
		{Exclusive: new(false)},
		{MaxFrame: 4096},
	} {
		if got, err := g.Target(encoded(same)); err != nil || got != plain {
			t.Errorf("%+v: got %+v, %v; want %+v", same, got, err, plain)
		}
	}
	seen := map[string]bool{plain.Key: true}
	for _, other := range []abi.SerialOpen{
		{Port: "/dev/ttyUSB1"},
		{BaudRate: 19200},
		{DataBits: 7},
		{Parity: "E"},
		{StopBitsX2: 4},
		{ReadTimeoutMS: 5},
		{XonXoff: true},
		{RTSCTS: true},
		{WriteTimeoutMS: new(uint64(0))},
		{DSRDTR: true},
		{InterByteTimeoutMS: new(uint64(5))},
		{Exclusive: new(true)},
		{Delimiter: []byte("\r\n")},
		{MaxFrame: 100},
		{OpenTimeoutMS: 5},
		{OpenRetryMS: 50},
	} {
		got, err := g.Target(encoded(other))
		if err != nil || seen[got.Key] {
			t.Errorf("%+v: key %q, %v: want one of its own", other, got.Key, err)
		}
		seen[got.Key] = true
	}
}

func TestSettingsNameWhatIsWrong(t *testing.T) {
	for field, in := range map[string]abi.SerialOpen{
		"port":                  {Port: "ttyUSB0"},
		"baud_rate":             {BaudRate: 7},
		"data_bits":             {DataBits: 9},
		"parity":                {Parity: "none"},
		"stop_bits_x2":          {StopBitsX2: 1},
		"read_timeout_ms":       {ReadTimeoutMS: 1 << 60},
		"write_timeout_ms":      {WriteTimeoutMS: new(uint64(1) << 63)},
		"inter_byte_timeout_ms": {InterByteTimeoutMS: new(uint64(1) << 62)},
		"open_timeout_ms":       {OpenTimeoutMS: 1 << 50},
		"open_retry_ms":         {OpenRetryMS: 1 << 50},
		"delimiter":             {Delimiter: make([]byte, 17)},
		"max_frame":             {MaxFrame: 1 << 30},
	} {
		_, err := New(Config{}).Target(encoded(in))
		f := fault.Of(err)
		if !fault.Is(err, fault.Invalid) || len(f.Fields) != 1 || f.Fields[0].Pointer != "/"+field || !strings.Contains(f.Text, field) {
			t.Errorf("%s: got %v (%+v)", field, err, f)
		}
	}
	_, err := New(Config{}).Target(encoded(abi.SerialOpen{Port: "a\x00", BaudRate: 1, Parity: "X", MaxFrame: 1}))
	if f := fault.Of(err); f == nil || len(f.Fields) != 4 {
		t.Errorf("want all four mistakes in one answer, got %v", err)
	}
}
