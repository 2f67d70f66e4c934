package wire

import "github.com/snaprail/snaprail/guest-sdk/abi"

// Notice is what a server published.
type Notice struct {
	Subscription uint32
	Sequence     uint32
	Data         bool // false: a sign of life, whose Sequence is the next one's
	Values       []abi.OPCUAValue
	Status       uint32 // of the subscription, when that ended
	Acks         []uint32
}

// Published reads the reply to a publish request.
func (r *Reader) Published() (n Notice) {
	n.Subscription = r.U32()
	r.Statuses() // sequence numbers that are kept
	r.U8()
	r.message(&n)
	n.Acks = r.Statuses()
	return n
}

// Republished reads the reply to a republish request.
func (r *Reader) Republished() (n Notice) {
	r.message(&n)
	return n
}

func (r *Reader) message(n *Notice) {
	n.Sequence = r.U32()
	r.U64()
	for range r.Count(3) {
		n.Data = true
		kind, encoding := r.Node(), r.U8()
		if encoding == 0 {
			continue
		}
		part := NewReader(r.Bytes())
		switch {
		case encoding == 1 && kind == "i=811":
			part.changes(n)
		case encoding == 1 && kind == "i=820":
			n.Status = part.U32()
		}
		if part.err != nil {
			r.fail()
		}
	}
}

// changes reads a DataChangeNotification.
func (r *Reader) changes(n *Notice) {
	for range r.Count(5) {
		item := r.U32()
		v := r.Value()
		v.Item = item
		n.Values = append(n.Values, v)
		if r.err != nil {
			return
		}
	}
}

// Reference reads one reference of a browse.
func (r *Reader) Reference() (f abi.OPCUAReference) {
	f.ReferenceType = r.Node()
	f.Forward = r.U8() != 0
	f.Node = r.ExpandedNode()
	f.BrowseNamespace = uint32(r.U16())
	f.BrowseName = r.Text()
	f.DisplayName, f.Locale = r.localized()
	f.Class = r.U32()
	f.TypeDefinition = r.ExpandedNode()
	return f
}

// TextArray reads a variant that is an array of strings.
func TextArray(variant []byte) (list []string) {
	r := NewReader(variant)
	if r.U8() != 0x80|12 {
		return nil
	}
	for range r.Count(4) {
		list = append(list, r.Text())
	}
	if r.err != nil {
		return nil
	}
	return list
}

// Uint32 reads a variant that is one.
func Uint32(variant []byte) uint32 {
	r := NewReader(variant)
	if r.U8() != 7 {
		return 0
	}
	return r.U32()
}
