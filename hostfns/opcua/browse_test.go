package opcua

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/server"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uasc"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestBrowsesHundredThousandNodes: with the server's continuation points, page
// by page, in memory that does not grow with what there is.
func TestBrowsesHundredThousandNodes(t *testing.T) {
	const total = 100_000
	p := newPlant(t)
	p.stop()
	page := func(from, n int) *ua.BrowseResult {
		r := &ua.BrowseResult{}
		for i := from; i < min(from+n, total); i++ {
			node := ua.NewStringNodeID(1, "node."+strconv.Itoa(i))
			r.References = append(r.References, &ua.ReferenceDescription{
				ReferenceTypeID: ua.NewNumericNodeID(0, 47), IsForward: true, NodeID: ua.NewExpandedNodeID(node, "", 0),
				BrowseName: &ua.QualifiedName{NamespaceIndex: 1, Name: fmt.Sprint(i)}, DisplayName: ua.NewLocalizedText(fmt.Sprint(i)),
				NodeClass: ua.NodeClassVariable, TypeDefinition: ua.NewExpandedNodeID(ua.NewNumericNodeID(0, 63), "", 0),
			})
		}
		if from+n < total {
			r.ContinuationPoint = []byte(strconv.Itoa(from + n))
		}
		return r
	}
	header := func(q ua.Request) *ua.ResponseHeader {
		return &ua.ResponseHeader{RequestHandle: q.Header().RequestHandle, ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil)}
	}
	released := 0
	p.handlers = map[uint16]server.Handler{
		id.BrowseRequest_Encoding_DefaultBinary: func(_ *uasc.SecureChannel, q ua.Request, _ uint32) (ua.Response, error) {
			n := int(q.(*ua.BrowseRequest).RequestedMaxReferencesPerNode)
			return &ua.BrowseResponse{ResponseHeader: header(q), Results: []*ua.BrowseResult{page(0, n)}}, nil
		},
		id.BrowseNextRequest_Encoding_DefaultBinary: func(_ *uasc.SecureChannel, q ua.Request, _ uint32) (ua.Response, error) {
			next := q.(*ua.BrowseNextRequest)
			from, err := strconv.Atoi(string(next.ContinuationPoints[0]))
			if err != nil {
				return nil, ua.StatusBadContinuationPointInvalid
			}
			result := &ua.BrowseResult{}
			if next.ReleaseContinuationPoints {
				released++
			} else {
				result = page(from, 1000) // more at once than was asked for
			}
			return &ua.BrowseNextResponse{ResponseHeader: header(q), Results: []*ua.BrowseResult{result}}, nil
		},
	}
	p.start()
	s := opened(t, testGroup(quick()), insecurely(p))
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, seen, pages := held(), uint64(0), 0, 0
	q := abi.OPCUABrowse{Handle: 1, Node: "ns=1;i=85"}
	for {
		var got abi.OPCUABrowsePage
		must(t, ask(t, s, functionBrowse, &q, &got))
		for _, r := range got.References {
			if r.Node != "ns=1;s=node."+strconv.Itoa(seen) {
				t.Fatalf("%d is %s", seen, r.Node)
			}
			seen++
		}
		if pages++; pages%100 == 0 {
			most = max(most, held())
		}
		if q.Cursor = got.Cursor; q.Cursor == 0 {
			break
		}
	}
	if seen != total {
		t.Errorf("%d nodes of %d", seen, total)
	}
	if most == 0 || most > before+8<<20 {
		t.Errorf("%d bytes more while browsing", most-before)
	}
	// Browses that nobody goes on with are forgotten, here and at the server.
	for range maxPages + 4 {
		must(t, ask(t, s, functionBrowse, &abi.OPCUABrowse{Handle: 1, Node: "ns=1;i=85"}, &abi.OPCUABrowsePage{}))
	}
	if len(s.pages) != maxPages || released != 4 {
		t.Errorf("%d browses are kept, and %d were released", len(s.pages), released)
	}
}
