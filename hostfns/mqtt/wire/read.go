package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ErrMalformed is what a Reader reports for bytes that are no packet of a broker.
var ErrMalformed = errors.New("malformed packet")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// Reader reads the packets of one connection.
type Reader struct {
	src     *bufio.Reader
	version byte
	most    int
	buf     []byte
}

// NewReader reads packets of a version from src, each of at most so many bytes.
func NewReader(src io.Reader, version byte, most int) *Reader {
	return &Reader{src: bufio.NewReaderSize(src, 16<<10), version: version, most: most}
}

// Next is the next packet. The error is the source's, or wraps ErrMalformed.
func (r *Reader) Next() (Packet, error) {
	first, err := r.src.ReadByte()
	if err != nil {
		return Packet{}, err
	}
	size, err := r.length()
	if err != nil {
		return Packet{}, err
	}
	p := Packet{Type: Type(first >> 4)}
	if p.Type == Publish {
		p.Dup, p.QoS, p.Retain = first&8 != 0, first>>1&3, first&1 != 0
		if p.QoS == 3 {
			return p, malformed("a message of QoS 3")
		}
		if size > r.most {
			return r.pass(p, size)
		}
	} else if want := flags(p.Type); first&15 != want {
		return p, malformed("the flags %04b of packet type %d", first&15, p.Type)
	}
	if size > r.most {
		return p, malformed("packet type %d of %d bytes", p.Type, size)
	}
	if cap(r.buf) < size {
		r.buf = make([]byte, max(size, min(2*cap(r.buf), r.most)))
	}
	body := r.buf[:size]
	if _, err := io.ReadFull(r.src, body); err != nil {
		return p, unexpected(err)
	}
	return p, r.decode(&p, body)
}

// flags are the low bits of a packet's first byte.
func flags(t Type) byte {
	if t == PubRel {
		return 2
	}
	return 0
}

// unexpected is the error of a source that ended within a packet.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// length reads how long the rest of a packet is.
func (r *Reader) length() (n int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := r.src.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
	return 0, malformed("a length of more than four bytes")
}

// pass reads the beginning of a message that is too large, and passes over the
// rest.
func (r *Reader) pass(p Packet, size int) (Packet, error) {
	p.Passed = size
	var word [2]byte
	if _, err := io.ReadFull(r.src, word[:]); err != nil {
		return p, unexpected(err)
	}
	topic := make([]byte, binary.BigEndian.Uint16(word[:]))
	left := size - 2 - len(topic)
	if p.QoS > 0 {
		left -= 2
	}
	if left < 0 {
		return p, malformed("a message that ends within its topic")
	}
	if _, err := io.ReadFull(r.src, topic); err != nil {
		return p, unexpected(err)
	}
	p.Topic = string(topic)
	if p.QoS > 0 {
		if _, err := io.ReadFull(r.src, word[:]); err != nil {
			return p, unexpected(err)
		}
		p.ID = binary.BigEndian.Uint16(word[:])
	}
	if _, err := io.CopyN(io.Discard, r.src, int64(left)); err != nil {
		return p, unexpected(err)
	}
	return p, check(&p)
}

func (r *Reader) decode(p *Packet, body []byte) error {
	c := cursor{src: body}
	switch p.Type {
	case ConnAck:
		bits := c.byte()
		p.Present, p.Reason = bits&1 != 0, c.byte()
		if bits > 1 {
			return malformed("the flags %08b of a CONNACK", bits)
		}
		if r.version == V5 {
			c.properties(&p.Properties)
		}
	case Publish:
		p.Topic = c.text()
		if p.QoS > 0 {
			p.ID = c.word()
		}
		if r.version == V5 {
			c.properties(&p.Properties)
		}
		p.Payload = c.rest()
	case PubAck, PubRec, PubRel, PubComp:
		p.ID = c.word()
		r.reason(p, &c)
	case SubAck:
		p.ID = c.word()
		if r.version == V5 {
			c.properties(&p.Properties)
		}
		p.Codes = append([]byte(nil), c.rest()...)
	case UnsubAck:
		p.ID = c.word()
		c.rest()
	case PingResp:
	case Disconnect:
		if r.version != V5 {
			return malformed("a DISCONNECT from a broker of MQTT 3.1.1")
		}
		r.reason(p, &c)
	case Auth:
		if r.version != V5 {
			return malformed("an AUTH of MQTT 3.1.1")
		}
		r.reason(p, &c)
	default:
		return malformed("packet type %d from a broker", p.Type)
	}
	if c.err == nil && len(c.src) > 0 {
		c.fail("%d bytes behind packet type %d", len(c.src), p.Type)
	}
	if c.err != nil {
		return c.err
	}
	return check(p)
}

// reason reads what MQTT 5 lets out where it is 0, and MQTT 3.1.1 does not have.
func (r *Reader) reason(p *Packet, c *cursor) {
	if r.version != V5 || len(c.src) == 0 {
		return
	}
	p.Reason = c.byte()
	if len(c.src) > 0 {
		c.properties(&p.Properties)
	}
}

// check looks at what every packet has to keep to.
func check(p *Packet) error {
	switch {
	case p.Type == Publish && p.QoS == 0 && p.ID == 0, p.ID != 0, p.Type == ConnAck, p.Type >= PingReq:
	default:
		return malformed("packet type %d with the identifier 0", p.Type)
	}
	if p.Type == Publish {
		switch {
		case p.Properties.TopicAlias != 0:
			return malformed("a topic alias, of which none was allowed")
		case p.Topic == "" || !utf8.ValidString(p.Topic) || strings.ContainsAny(p.Topic, "+#\x00"):
			return malformed("a message for the topic %.100q", p.Topic)
		}
	}
	return nil
}

// cursor reads the parts of a packet. After the first fault it gives zeros.
type cursor struct {
	src []byte
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err, c.src = malformed(format, args...), nil
	}
}

func (c *cursor) take(n int) []byte {
	if n > len(c.src) {
		c.fail("it ends too early")
		return nil
	}
	taken := c.src[:n:n]
	c.src = c.src[n:]
	return taken
}

func (c *cursor) rest() []byte { return c.take(len(c.src)) }

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) word() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) long() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) binary() []byte { return c.take(int(c.word())) }

func (c *cursor) text() string {
	b := c.binary()
	if !utf8.Valid(b) {
		c.fail("a text that is not UTF-8")
		return ""
	}
	return string(b)
}

func (c *cursor) number() (n int) {
	for shift := 0; shift < 28; shift += 7 {
		b := c.byte()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	c.fail("a number of more than four bytes")
	return 0
}
