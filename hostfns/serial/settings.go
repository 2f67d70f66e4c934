package serial

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
)

// settings are the arguments of open with the defaults filled in. They are
// comparable: two guests mean the same session when theirs are equal.
type settings struct {
	port      string
	baud      uint32
	dataBits  uint32
	parity    byte   // N, E, O, M, S
	stopX2    uint32 // 2, 3, 4
	xonxoff   bool
	rtscts    bool
	dsrdtr    bool
	exclusive bool

	readTimeout  time.Duration // of read, read_until and the answer of a transact
	writeTimeout time.Duration // none: the call's deadline alone
	interByte    time.Duration // 0: none; else so much silence ends a frame
	openTimeout  time.Duration
	openRetry    time.Duration

	framing   abi.SerialFraming
	delimiter string
	layout    framing.Layout
	maxFrame  int

	shared     bool
	turnaround time.Duration // silence before a transact writes
}

// none is a timeout that is not set.
const none = time.Duration(-1)

// The defaults (S2.19 to S2.33) and the bounds.
const (
	defaultPort        = "/dev/ttyUSB0"
	defaultBaud        = 9600
	defaultDataBits    = 8
	defaultParity      = "N"
	defaultStopX2      = 2
	defaultReadTimeout = time.Second
	defaultOpenTimeout = 10 * time.Second
	defaultOpenRetry   = 100 * time.Millisecond
	defaultDelimiter   = "\n"
	defaultMaxFrame    = 4096

	leastSilence    = 20 * time.Millisecond
	leastTurnaround = 1750 * time.Microsecond

	minBaud      = 50
	maxBaud      = 12_000_000
	maxTimeout   = time.Hour
	minOpenRetry = 10 * time.Millisecond
	maxDelimiter = 16
	maxPort      = 4095
	maxFrameEver = 1 << 20
)

// settings reads and checks an encoded abi.SerialOpen. It reports all that is
// wrong at once.
func (g *Group) settings(args []byte) (settings, error) {
	var in abi.SerialOpen
	if err := in.Decode(args); err != nil {
		return settings{}, fault.Wrap(fault.Invalid, err, "serial.open: the arguments cannot be read")
	}
	var c checker
	set := settings{
		port:         c.port(in.Port),
		baud:         c.within("baud_rate", in.BaudRate, defaultBaud, minBaud, maxBaud),
		dataBits:     c.within("data_bits", in.DataBits, defaultDataBits, 5, 8),
		parity:       c.parity(in.Parity),
		stopX2:       c.within("stop_bits_x2", in.StopBitsX2, defaultStopX2, 2, 4),
		xonxoff:      in.XonXoff,
		rtscts:       in.RTSCTS,
		dsrdtr:       in.DSRDTR,
		exclusive:    in.Exclusive != nil && *in.Exclusive,
		readTimeout:  c.duration("read_timeout_ms", in.ReadTimeoutMS, defaultReadTimeout),
		writeTimeout: c.optional("write_timeout_ms", in.WriteTimeoutMS, none),
		interByte:    c.optional("inter_byte_timeout_ms", in.InterByteTimeoutMS, 0),
		openTimeout:  c.duration("open_timeout_ms", in.OpenTimeoutMS, defaultOpenTimeout),
		openRetry:    max(c.duration("open_retry_ms", in.OpenRetryMS, defaultOpenRetry), minOpenRetry),
		framing:      c.framing(in.Framing),
		delimiter:    c.delimiter(in.Delimiter),
		shared:       in.Shared,
		turnaround:   c.optional("turnaround_ms", in.TurnaroundMS, none),
	}
	shortest, longest := uint32(len(set.delimiter))+1, uint32(g.bytes/4)
	set.maxFrame = int(c.within("max_frame", in.MaxFrame, min(defaultMaxFrame, longest), shortest, longest))
	set.layout = c.layout(&in, set.maxFrame)
	set.silences()
	return set, c.err()
}

// silences fills in how long the line is silent between frames.
//
// What the host sees of silence is not what there is on the wire: a UART hands
// over up to 16 bytes at once, and a USB adapter keeps bytes for up to 16 ms. So
// the silence that ends a frame is 3.5 characters and those 16, and never less
// than 20 ms, unless inter_byte_timeout_ms says otherwise. The one before a
// transact is 3.5 characters, for the devices on the line see it; at more than
// 19,200 baud it is 1.75 ms, as Modbus has it.
func (s *settings) silences() {
	character := time.Second * time.Duration(2+2*s.dataBits+s.stopX2) / time.Duration(2*max(s.baud, 1))
	if s.parity != 'N' {
		character += time.Second / time.Duration(max(s.baud, 1))
	}
	if s.framing == abi.SerialGap && s.interByte == 0 {
		s.interByte = max(character*39/2, leastSilence)
	}
	if s.turnaround == none {
		s.turnaround = max(character*7/2, leastTurnaround)
	}
}

// key is the canonical form.
func (s settings) key() string {
	return fmt.Sprintf("%s %d %d%c%d x%t r%t d%t e%t %d/%d/%d/%d/%d %q %d f%d %+v s%t %d", s.port, s.baud,
		s.dataBits, s.parity, s.stopX2, s.xonxoff, s.rtscts, s.dsrdtr, s.exclusive,
		s.readTimeout, s.writeTimeout, s.interByte, s.openTimeout, s.openRetry, s.delimiter, s.maxFrame,
		s.framing, s.layout, s.shared, s.turnaround)
}

// checker gathers what is wrong.
type checker struct {
	fields []fault.Field
}

func (c *checker) wrong(field, format string, args ...any) {
	c.fields = append(c.fields, fault.Field{Pointer: "/" + field, Detail: fmt.Sprintf(format, args...)})
}

func (c *checker) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	texts := make([]string, len(c.fields))
	for i, f := range c.fields {
		texts[i] = f.Pointer[1:] + " " + f.Detail
	}
	return fault.New(fault.Invalid, "serial.open: %s", strings.Join(texts, "; ")).WithFields(c.fields...)
}

func (c *checker) port(port string) string {
	switch {
	case port == "":
		return defaultPort
	case len(port) > maxPort:
		c.wrong("port", "is longer than %d bytes", maxPort)
	case strings.ContainsRune(port, 0):
		c.wrong("port", "has a NUL in it")
	case !absolute(port):
		c.wrong("port", "%q is not an absolute path", port)
	default:
		return filepath.Clean(port)
	}
	return ""
}

func (c *checker) within(field string, v, def, low, high uint32) uint32 {
	if v == 0 {
		return def
	}
	if v < low || v > high {
		c.wrong(field, "is %d: want %d to %d", v, low, high)
	}
	return v
}

func (c *checker) parity(v string) byte {
	if v == "" {
		v = defaultParity
	}
	if len(v) != 1 || !strings.Contains("NEOMS", v) {
		c.wrong("parity", "is %q: want N, E, O, M or S", v)
		return 'N'
	}
	return v[0]
}

func (c *checker) duration(field string, ms uint64, def time.Duration) time.Duration {
	if ms == 0 {
		return def
	}
	return c.optional(field, &ms, def)
}

func (c *checker) optional(field string, ms *uint64, def time.Duration) time.Duration {
	if ms == nil {
		return def
	}
	if *ms > uint64(maxTimeout.Milliseconds()) {
		c.wrong(field, "is %d: want at most %d", *ms, maxTimeout.Milliseconds())
		return def
	}
	return time.Duration(*ms) * time.Millisecond //nolint:gosec // bounded above
}

func (c *checker) framing(f abi.SerialFraming) abi.SerialFraming {
	if f > abi.SerialRaw {
		c.wrong("framing", "is %d: want 0 (delimited), 1 (fixed), 2 (prefixed), 3 (gap), 4 (SLIP) or 5 (raw)", f)
	}
	return f
}

// layout reads what is said of frames of a known length.
func (c *checker) layout(in *abi.SerialOpen, longest int) (l framing.Layout) {
	if in.Framing != abi.SerialFixed && in.Framing != abi.SerialPrefixed {
		return l
	}
	if len(in.Start) > maxDelimiter {
		c.wrong("start", "has %d bytes: want at most %d", len(in.Start), maxDelimiter)
		return l
	}
	l.Start, l.Check = string(in.Start), in.Check
	checked, known := framing.CheckSize(in.Check)
	if !known {
		c.wrong("check", "is %q: want sum8, xor8 or crc16", in.Check)
	}
	if in.Framing == abi.SerialFixed {
		least := uint32(len(l.Start) + checked + 1)
		if in.FrameLength < least || in.FrameLength > uint32(longest) {
			c.wrong("frame_length", "is %d: want %d to max_frame, which is %d", in.FrameLength, least, longest)
		}
		l.Fixed = max(int(in.FrameLength), 1)
		return l
	}
	if in.LengthSize != 1 && in.LengthSize != 2 && in.LengthSize != 4 {
		c.wrong("length_size", "is %d: want 1, 2 or 4", in.LengthSize)
	}
	if in.LengthAdds < -maxFrameEver || in.LengthAdds > maxFrameEver {
		c.wrong("length_adds", "is %d: want %d to %d", in.LengthAdds, -maxFrameEver, maxFrameEver)
	}
	l.At, l.Size, l.Little, l.Adds = int(min(in.LengthAt, maxFrameEver)), int(min(in.LengthSize, 4)), in.LengthLittle, in.LengthAdds
	if l.Least() > longest {
		c.wrong("length_at", "is %d: the length would stand behind max_frame, which is %d", in.LengthAt, longest)
	}
	return l
}

func (c *checker) delimiter(d []byte) string {
	if len(d) == 0 {
		return defaultDelimiter
	}
	if len(d) > maxDelimiter {
		c.wrong("delimiter", "has %d bytes: want at most %d", len(d), maxDelimiter)
		return defaultDelimiter
	}
	return string(d)
}
