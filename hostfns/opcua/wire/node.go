package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Node reads the id of a node, in the notation of the standard.
func (r *Reader) Node() string { return r.nodeText(r.U8()) }

// NodeBytes reads the id of a node, as it is.
func (r *Reader) NodeBytes() []byte {
	before := r.src
	r.skipNode()
	if r.err != nil {
		return nil
	}
	n := len(before) - len(r.src)
	return before[:n:n]
}

func (r *Reader) skipNode() { r.nodeText(r.U8()) }

func (r *Reader) skipExpandedNode() { r.ExpandedNode() }

// ExpandedNode reads the id of a node that may be of another server, or have the
// name of its namespace in place of the index.
func (r *Reader) ExpandedNode() string {
	mask := r.U8()
	node := r.nodeText(mask &^ 0xc0)
	if mask&0x80 != 0 {
		uri := strings.NewReplacer("%", "%25", ";", "%3B").Replace(r.Text())
		if _, rest, found := strings.Cut(node, ";"); found && strings.HasPrefix(node, "ns=") {
			node = rest
		}
		node = "nsu=" + uri + ";" + node
	}
	if mask&0x40 != 0 {
		node = fmt.Sprintf("svr=%d;%s", r.U32(), node)
	}
	return node
}

func (r *Reader) nodeText(kind byte) string {
	switch kind {
	case 0:
		return "i=" + strconv.Itoa(int(r.U8()))
	case 1:
		return inNamespace(uint16(r.U8()), "i="+strconv.Itoa(int(r.U16())))
	case 2:
		ns := r.U16()
		return inNamespace(ns, "i="+strconv.FormatUint(uint64(r.U32()), 10))
	case 3:
		ns := r.U16()
		return inNamespace(ns, "s="+r.Text())
	case 4:
		ns := r.U16()
		return inNamespace(ns, "g="+guidText(r.take(16)))
	case 5:
		ns := r.U16()
		return inNamespace(ns, "b="+base64.StdEncoding.EncodeToString(r.Bytes()))
	}
	r.fail()
	return ""
}

func inNamespace(ns uint16, id string) string {
	if ns == 0 {
		return id
	}
	return "ns=" + strconv.Itoa(int(ns)) + ";" + id
}

func guidText(b []byte) string {
	if len(b) != 16 {
		return ""
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:])
}

var errNode = errors.New("want the id of a node, as in i=2258, ns=2;s=Boiler.Temperature, ns=2;g=<guid>, ns=2;b=<base64> or nsu=urn:plc;s=A")

// ParseNode encodes the id of a node. The namespaces are those of the server, by
// their index, for an id that names one; nil: there are none yet.
func ParseNode(text string, namespaces []string) ([]byte, error) {
	ns, id := uint64(0), text
	if rest, ok := strings.CutPrefix(text, "nsu="); ok {
		uri, rest, found := strings.Cut(rest, ";")
		if !found {
			return nil, errNode
		}
		uri = strings.NewReplacer("%3B", ";", "%25", "%").Replace(uri)
		at := slices.Index(namespaces, uri)
		if at < 0 {
			return nil, fmt.Errorf("the server has no namespace %q", uri)
		}
		ns, id = uint64(at), rest
	} else if rest, ok := strings.CutPrefix(text, "ns="); ok {
		number, rest, found := strings.Cut(rest, ";")
		var err error
		if ns, err = strconv.ParseUint(number, 10, 16); err != nil || !found {
			return nil, errNode
		}
		id = rest
	}
	kind, value, found := strings.Cut(id, "=")
	if !found {
		return nil, errNode
	}
	return encodeNode(uint16(ns), kind, value)
}

func encodeNode(ns uint16, kind, value string) ([]byte, error) {
	w := Writer{}
	switch kind {
	case "i":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return nil, errNode
		}
		w.numeric(ns, uint32(n))
	case "s":
		w.U8(3)
		w.U16(ns)
		w.Bytes([]byte(value))
	case "g":
		b, err := hex.DecodeString(strings.ReplaceAll(value, "-", ""))
		if err != nil || len(b) != 16 {
			return nil, errNode
		}
		w.U8(4)
		w.U16(ns)
		w.U32(binary.BigEndian.Uint32(b))
		w.U16(binary.BigEndian.Uint16(b[4:]))
		w.U16(binary.BigEndian.Uint16(b[6:]))
		w.Raw(b[8:])
	case "b":
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, errNode
		}
		w.U8(5)
		w.U16(ns)
		w.Bytes(b)
	default:
		return nil, errNode
	}
	return w.dst, nil
}

// numeric writes the shortest form, as servers expect it.
func (w *Writer) numeric(ns uint16, id uint32) {
	switch {
	case ns == 0 && id < 1<<8:
		w.Raw([]byte{0, byte(id)})
	case ns < 1<<8 && id < 1<<16:
		w.Raw([]byte{1, byte(ns)})
		w.U16(uint16(id))
	default:
		w.U8(2)
		w.U16(ns)
		w.U32(id)
	}
}
