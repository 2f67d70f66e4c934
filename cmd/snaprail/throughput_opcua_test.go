package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/id"
	opcserver "github.com/gopcua/opcua/server"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uasc"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// fountain is an OPC UA server of gopcua's that publishes as fast as it is asked,
// as many values as it is told to, each time one of every item.
type fountain struct {
	b    *testing.B
	ctx  context.Context
	port int

	mu      sync.Mutex
	readers []*reader
}

// reader is a client with its one subscription.
type reader struct {
	channel  *uasc.SecureChannel
	id       uint32
	sequence uint32
	left     int    // notices to send
	waiting  uint32 // a publish request without an answer; 0: none
	header   *ua.RequestHeader
	message  *ua.ExtensionObject
}

func newFountain(b *testing.B) *fountain {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	f := &fountain{b: b, ctx: b.Context(), port: l.Addr().(*net.TCPAddr).Port}
	check(b, l.Close())
	s := opcserver.New(opcserver.EndPoint("127.0.0.1", f.port),
		opcserver.EnableSecurity("None", ua.MessageSecurityModeNone), opcserver.EnableAuthMode(ua.UserTokenTypeAnonymous))
	ns := opcserver.NewNodeNameSpace(s, "urn:plant")
	for i := range batchItems {
		ns.AddNewVariableStringNode(fmt.Sprint("v", i), 20.5)
	}
	for kind, handler := range map[uint16]opcserver.Handler{
		id.CreateSubscriptionRequest_Encoding_DefaultBinary:   f.subscribe,
		id.CreateMonitoredItemsRequest_Encoding_DefaultBinary: f.monitor,
		id.PublishRequest_Encoding_DefaultBinary:              f.publish,
	} {
		s.RegisterHandler(kind, handler)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(f.ctx))
	check(b, s.Start(ctx))
	b.Cleanup(func() {
		end()
		_ = s.Close() // it waits for its clients, and need not
	})
	return f
}

func (f *fountain) endpoint() string { return fmt.Sprintf("opc.tcp://127.0.0.1:%d", f.port) }

func answerTo(h *ua.RequestHeader) *ua.ResponseHeader {
	return &ua.ResponseHeader{
		Timestamp: time.Now(), RequestHandle: h.RequestHandle, ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil),
	}
}

func (f *fountain) subscribe(ch *uasc.SecureChannel, q ua.Request, _ uint32) (ua.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &reader{channel: ch, id: uint32(len(f.readers) + 1), sequence: 1}
	f.readers = append(f.readers, r)
	return &ua.CreateSubscriptionResponse{
		ResponseHeader: answerTo(q.Header()), SubscriptionID: r.id, RevisedPublishingInterval: 100, RevisedLifetimeCount: 10_000, RevisedMaxKeepAliveCount: 600,
	}, nil
}

func (f *fountain) of(ch *uasc.SecureChannel) *reader {
	for _, r := range f.readers {
		if r.channel == ch {
			return r
		}
	}
	return &reader{}
}

func (f *fountain) monitor(ch *uasc.SecureChannel, request ua.Request, _ uint32) (ua.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := request.(*ua.CreateMonitoredItemsRequest)
	p := &ua.CreateMonitoredItemsResponse{ResponseHeader: answerTo(q.RequestHeader), DiagnosticInfos: []*ua.DiagnosticInfo{}}
	change := &ua.DataChangeNotification{DiagnosticInfos: []*ua.DiagnosticInfo{}}
	for i, it := range q.ItemsToCreate {
		p.Results = append(p.Results, &ua.MonitoredItemCreateResult{MonitoredItemID: uint32(i + 1), FilterResult: ua.NewExtensionObject(nil)})
		change.MonitoredItems = append(change.MonitoredItems, &ua.MonitoredItemNotification{
			ClientHandle: it.RequestedParameters.ClientHandle,
			Value: &ua.DataValue{
				EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp, Value: ua.MustVariant(20.5 + float64(i)), SourceTimestamp: time.Unix(1700000000, 0),
			},
		})
	}
	body, err := ua.Encode(change)
	check(f.b, err)
	f.of(ch).message = &ua.ExtensionObject{
		EncodingMask: ua.ExtensionObjectBinary, TypeID: ua.NewFourByteExpandedNodeID(0, id.DataChangeNotification_Encoding_DefaultBinary), Value: poured(body),
	}
	return p, nil
}

// poured is a change that is encoded once, so that the server's own work, which is
// more than its clients', is not what is measured.
type poured []byte

// Encode implements ua.BinaryEncoder.
func (p poured) Encode() ([]byte, error) { return p, nil }

func (f *fountain) publish(ch *uasc.SecureChannel, q ua.Request, request uint32) (ua.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.of(ch)
	if r.left == 0 {
		r.waiting, r.header = request, q.Header()
		return nil, nil // later
	}
	r.left--
	return r.next(q.Header(), true), nil
}

// next is a notice, with data or without.
func (r *reader) next(h *ua.RequestHeader, data bool) ua.Response {
	m := &ua.NotificationMessage{SequenceNumber: r.sequence, PublishTime: time.Now(), NotificationData: []*ua.ExtensionObject{}}
	if data {
		m.NotificationData = append(m.NotificationData, r.message)
		r.sequence++
	}
	return &ua.PublishResponse{
		ResponseHeader: answerTo(h), SubscriptionID: r.id, NotificationMessage: m,
		AvailableSequenceNumbers: []uint32{}, Results: []ua.StatusCode{}, DiagnosticInfos: []*ua.DiagnosticInfo{},
	}
}

// pour has a client get notices from now on; 0: one that says that the server lives.
func (f *fountain) pour(at, notices int) {
	f.mu.Lock()
	r := f.readers[at]
	r.left += max(0, notices-1)
	h, request := r.header, r.waiting
	r.waiting = 0
	var p ua.Response
	if request != 0 {
		p = r.next(h, notices > 0)
	} else {
		r.left += min(1, notices)
	}
	f.mu.Unlock()
	if p != nil {
		check(f.b, r.channel.SendResponseWithContext(f.ctx, request, p))
	}
}

// opcuaRace moves values of a subscription to 256 items into the outbox. The plain
// programs subscribe with gopcua's client.
func opcuaRace(b *testing.B) race {
	b.Helper()
	f, w := newFountain(b), newWorks(b)
	items := make([]any, batchItems)
	for i := range items {
		items[i] = map[string]any{"name": fmt.Sprint("v", i), "node": fmt.Sprint("ns=1;s=v", i)}
	}
	id := w.connect(control.ConnectorInput{
		Name: "plant", Grants: []spec.Grant{{Group: "opcua", Resources: []string{f.endpoint(), "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Read}}},
	}, "opcua", map[string]any{"endpoint": f.endpoint(), "allow_insecure": true, "interval": 0.1, "device": "press", "items": items})
	move := func(n int) {
		want := w.records(id) + n/batchItems // a record has all that changed at once
		f.pour(0, n/batchItems)
		w.until("values are durable", func() bool { return w.records(id) >= want })
	}
	others := []mover{
		{"durable", f.plainClient(b, 1, newLedger(b, true))},
		{"careless", f.plainClient(b, 2, newLedger(b, false))},
	}
	end, done := make(chan struct{}), make(chan struct{})
	go func() { // while others run, the server shows that it lives
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				for i := range f.readers {
					f.pour(i, 0)
				}
			case <-end:
				return
			}
		}
	}()
	return race{
		what: "values of an OPC UA subscription", unit: "values", step: batchItems, ours: mover{"snaprail", move}, others: others,
		close: func() { close(end); <-done },
	}
}

// plainClient is gopcua's client, which writes down what it is told.
func (f *fountain) plainClient(b *testing.B, at int, to *ledger) func(n int) {
	b.Helper()
	ctx := b.Context()
	c, err := opcua.NewClient(f.endpoint(), opcua.SecurityMode(ua.MessageSecurityModeNone))
	check(b, err)
	check(b, c.Connect(ctx))
	b.Cleanup(func() { _ = c.Close(context.WithoutCancel(ctx)) })
	notices := make(chan *opcua.PublishNotificationData, 16)
	s, err := c.Subscribe(ctx, &opcua.SubscriptionParameters{Interval: 100 * time.Millisecond}, notices)
	check(b, err)
	var items []*ua.MonitoredItemCreateRequest
	names := make([]string, batchItems)
	for i := range batchItems {
		names[i] = fmt.Sprint("v", i)
		items = append(items, opcua.NewMonitoredItemCreateRequestWithDefaults(ua.NewStringNodeID(1, names[i]), ua.AttributeIDValue, uint32(i)))
	}
	_, err = s.Monitor(ctx, ua.TimestampsToReturnBoth, items...)
	check(b, err)
	return func(n int) {
		f.pour(at, n/batchItems)
		written := make(chan abi.Record, 64)
		go func() {
			for left := n / batchItems; left > 0; {
				note := <-notices
				check(b, note.Error)
				change, ok := note.Value.(*ua.DataChangeNotification)
				if !ok || len(change.MonitoredItems) == 0 {
					continue
				}
				left--
				r := abi.Record{Device: "press", Kind: abi.KindTelemetry, Time: time.Now().UnixNano(), Points: make([]abi.Point, len(change.MonitoredItems))}
				for i, it := range change.MonitoredItems {
					r.Points[i] = abi.Point{
						Name: names[it.ClientHandle], Value: abi.Double(it.Value.Value.Float()),
						Quality: uint32(it.Value.Status), SourceTime: it.Value.SourceTimestamp.UnixNano(),
					}
				}
				written <- r
			}
		}()
		gather(written, n/batchItems, func(list []abi.Record) { to.add(&abi.Batch{Records: list}) })
	}
}
