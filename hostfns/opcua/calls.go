package opcua

import (
	"context"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/opcua/wire"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of one call.
const (
	maxNodes = 10_000
	maxPage  = 256
)

func (l *link) node(text string) ([]byte, error) {
	node, err := wire.ParseNode(text, l.namespaces)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the node %q", fault.Clip(text, 256))
	}
	return node, nil
}

func attribute(a uint32) uint32 {
	if a == 0 {
		return uint32(ua.AttributeIDValue)
	}
	return a
}

// encodedNodes are the ids of the nodes of a request, all of them checked before
// anything is sent.
func encodedNodes[T any](l *link, items []T, of func(*T) string) ([][]byte, error) {
	if len(items) > maxNodes {
		return nil, fault.New(fault.TooLarge, "opcua: %d nodes in one request: at most %d", len(items), maxNodes)
	}
	nodes := make([][]byte, len(items))
	for i := range items {
		var err error
		if nodes[i], err = l.node(of(&items[i])); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// parts cuts a list into parts of at most n.
func parts(total, n int, do func(from, to int) error) error {
	for from := 0; from < total; from += n {
		if err := do(from, min(from+n, total)); err != nil {
			return err
		}
	}
	return nil
}

// read reads attributes, in as many requests as the server wants.
func (l *link) read(ctx context.Context, nodes []abi.OPCUANode, maxAge uint64) (all []abi.OPCUAValue, err error) {
	if _, err := encodedNodes(l, nodes, func(n *abi.OPCUANode) string { return n.Node }); err != nil {
		return nil, err
	}
	err = parts(len(nodes), l.limits.read, func(from, to int) error {
		values, err := l.readOnce(ctx, nodes[from:to], maxAge)
		all = append(all, values...)
		return err
	})
	return all, err
}

func (l *link) readOnce(ctx context.Context, nodes []abi.OPCUANode, maxAge uint64) (values []abi.OPCUAValue, err error) {
	ids, err := encodedNodes(l, nodes, func(n *abi.OPCUANode) string { return n.Node })
	if err != nil {
		return nil, err
	}
	err = l.do(ctx, wire.Request{
		Type: id.ReadRequest_Encoding_DefaultBinary, Reply: id.ReadResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Double(float64(maxAge))
			w.U32(uint32(ua.TimestampsToReturnBoth))
			w.Count(len(nodes))
			for i, n := range nodes {
				w.Raw(ids[i])
				w.U32(attribute(n.Attribute))
				w.Text(n.Range)
				w.Name()
			}
		},
		Read: func(r *wire.Reader) {
			for range r.Count(1) {
				values = append(values, r.Value())
			}
		},
	})
	if err == nil && len(values) != len(nodes) {
		err = errCount
	}
	return values, err
}

var errCount = fault.New(fault.ResourceUnavailable, "the server answered for another number of nodes than it was asked for")

// write writes values, in as many requests as the server wants. What follows a
// request that failed is not sent; it has the status BadCommunicationError, as
// has what may or may not have been written.
func (l *link) write(ctx context.Context, values []abi.OPCUAWriteValue) (all []abi.OPCUAStatus, err error) {
	nodes, err := encodedNodes(l, values, func(v *abi.OPCUAWriteValue) string { return v.Node })
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if v.Value == nil || wire.CheckVariant(v.Value.Variant) != nil || v.Value.SourcePico >= 10_000 || v.Value.ServerPico >= 10_000 {
			return nil, fault.New(fault.Invalid, "opcua.write: the value for %q is none", fault.Clip(v.Node, 256))
		}
	}
	err = parts(len(values), l.limits.write, func(from, to int) error {
		statuses, err := l.writeOnce(ctx, values[from:to], nodes[from:to])
		all = append(all, statuses...)
		return err
	})
	if err != nil && len(all) == 0 {
		return nil, err
	}
	for len(all) < len(values) {
		all = append(all, abi.OPCUAStatus{Code: uint32(ua.StatusBadCommunicationError)})
	}
	return all, nil
}

func (l *link) writeOnce(ctx context.Context, values []abi.OPCUAWriteValue, nodes [][]byte) (list []abi.OPCUAStatus, err error) {
	err = l.do(ctx, wire.Request{
		Type: id.WriteRequest_Encoding_DefaultBinary, Reply: id.WriteResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Count(len(values))
			for i := range values {
				w.Raw(nodes[i])
				w.U32(attribute(values[i].Attribute))
				w.Text(values[i].Range)
				w.Value(values[i].Value)
			}
		},
		Read: func(r *wire.Reader) { list = statuses(r) },
	})
	if err == nil && len(list) != len(values) {
		err = errCount
	}
	return list, err
}

func statuses(r *wire.Reader) (list []abi.OPCUAStatus) {
	for _, code := range r.Statuses() {
		list = append(list, abi.OPCUAStatus{Code: code})
	}
	return list
}

// call calls a method.
func (l *link) call(ctx context.Context, q *abi.OPCUACall) (p abi.OPCUACallResult, err error) {
	object, err := l.node(q.Object)
	if err != nil {
		return p, err
	}
	method, err := l.node(q.Method)
	if err != nil {
		return p, err
	}
	for _, a := range q.Arguments {
		if wire.CheckVariant(a.Variant) != nil {
			return p, fault.New(fault.Invalid, "opcua.call: an argument is no value")
		}
	}
	found := false
	err = l.do(ctx, wire.Request{
		Type: id.CallRequest_Encoding_DefaultBinary, Reply: id.CallResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Count(1)
			w.Raw(object)
			w.Raw(method)
			w.Count(len(q.Arguments))
			for _, a := range q.Arguments {
				w.Raw(a.Variant)
			}
		},
		Read: func(r *wire.Reader) {
			if found = r.Count(4) == 1; !found {
				return
			}
			p.Status = r.U32()
			p.Inputs = statuses(r)
			r.SkipDiagnostics()
			for range r.Count(1) {
				p.Outputs = append(p.Outputs, abi.OPCUAVariant{Variant: r.Variant()})
			}
		},
	})
	if err == nil && !found {
		err = errCount
	}
	return p, err
}

// page is what is left of a browse: references that have arrived, and the
// server's mark where it goes on.
type page struct {
	link *link
	rest *wire.Reader
	left int
	mark []byte
	max  int
}

// browse begins to browse.
func (l *link) browse(ctx context.Context, q *abi.OPCUABrowse) (p *page, status uint32, err error) {
	start, kind := q.Node, q.ReferenceType
	if start == "" {
		start = "i=85"
	}
	if kind == "" {
		kind = "i=33"
	}
	node, err := l.node(start)
	if err != nil {
		return nil, 0, err
	}
	reference, err := l.node(kind)
	if err != nil {
		return nil, 0, err
	}
	p = &page{link: l, max: maxPage}
	if q.Max > 0 {
		p.max = int(min(q.Max, maxPage))
	}
	status, err = p.ask(ctx, wire.Request{
		Type: id.BrowseRequest_Encoding_DefaultBinary, Reply: id.BrowseResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Null()
			w.U64(0)
			w.U32(0)
			w.Count(p.max)
			w.Count(1)
			w.Raw(node)
			w.U32(q.Direction)
			w.Raw(reference)
			w.Bool(!q.NoSubtypes)
			w.U32(q.Classes)
			w.U32(uint32(ua.BrowseResultMaskAll))
		},
	})
	return p, status, err
}

// ask fetches references. Those are read when they are handed on: a server may
// send more at once than it was asked for.
func (p *page) ask(ctx context.Context, q wire.Request) (status uint32, err error) {
	q.Read = func(r *wire.Reader) {
		p.mark, p.rest, p.left = nil, nil, 0
		if r.Count(12) == 0 {
			return
		}
		status = r.U32()
		p.mark = r.Bytes()
		p.left = r.Count(10)
		p.rest = r.Rest()
	}
	err = p.link.do(ctx, q)
	return status, err
}

// next hands on the next references.
func (p *page) next(ctx context.Context) (list []abi.OPCUAReference, status uint32, err error) {
	if p.left == 0 && len(p.mark) > 0 {
		status, err = p.more(ctx, false)
		if err != nil {
			return nil, 0, err
		}
	}
	for p.left > 0 && len(list) < p.max {
		list = append(list, p.rest.Reference())
		p.left--
		if err := p.rest.Err(); err != nil {
			return nil, 0, err
		}
	}
	return list, status, nil
}

// more asks for what follows the mark, or lets the server forget it.
func (p *page) more(ctx context.Context, release bool) (uint32, error) {
	mark := p.mark
	return p.ask(ctx, wire.Request{
		Type: id.BrowseNextRequest_Encoding_DefaultBinary, Reply: id.BrowseNextResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Bool(release)
			w.Count(1)
			w.Bytes(mark)
		},
	})
}

func (p *page) done() bool { return p.left == 0 && len(p.mark) == 0 }
