package serial

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
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

	// readTimeout has no effect here, because the session reads all the time
	// and no guest waits in a read. It is kept and told apart, so that the
	// field means the same as elsewhere once there is a read that waits.
	readTimeout  time.Duration
	writeTimeout time.Duration // none: the call's deadline alone
	interByte    time.Duration // 0: none; else so much silence ends a frame
	openTimeout  time.Duration
	openRetry    time.Duration

	delimiter string
	maxFrame  int
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

	minBaud      = 50
	maxBaud      = 12_000_000
	maxTimeout   = time.Hour
	minOpenRetry = 10 * time.Millisecond
	maxDelimiter = 16
	maxPort      = 4095
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
		delimiter:    c.delimiter(in.Delimiter),
	}
	shortest, longest := uint32(len(set.delimiter))+1, uint32(g.bytes/4)
	set.maxFrame = int(c.within("max_frame", in.MaxFrame, min(defaultMaxFrame, longest), shortest, longest))
	return set, c.err()
}

// key is the canonical form.
func (s settings) key() string {
	return fmt.Sprintf("%s %d %d%c%d x%t r%t d%t e%t %d/%d/%d/%d/%d %q %d", s.port, s.baud,
		s.dataBits, s.parity, s.stopX2, s.xonxoff, s.rtscts, s.dsrdtr, s.exclusive,
		s.readTimeout, s.writeTimeout, s.interByte, s.openTimeout, s.openRetry, s.delimiter, s.maxFrame)
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
