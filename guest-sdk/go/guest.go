package snaprail

import (
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Guest takes the encoded calls of a host to the handlers of one value, and
// their answers back. It is what stands behind the exports of a module;
// guesttest drives one natively. An author needs Register only.
//
// Call reuses the guest's memory: a Guest is called from one goroutine.
type Guest struct {
	handler any
	// The handlers are looked up once: in a guest that costs as much as a record.
	opener       Opener
	closer       Closer
	poller       Poller
	eventHandler EventHandler
	runner       Runner
	converter    Converter
	deliverer    Deliverer
	tester       Tester
	operator     Operator

	open   abi.OpenInput
	close  abi.CloseInput
	poll   abi.PollInput
	events abi.Events
	batch  abi.Batch
	handed abi.DeliverInput
	step   Step
	loop   Loop
	south  southbound
}

// NewGuest makes a guest of a value with handlers.
func NewGuest(handler any) *Guest {
	g := &Guest{handler: handler}
	g.opener, _ = handler.(Opener)
	g.closer, _ = handler.(Closer)
	g.poller, _ = handler.(Poller)
	g.eventHandler, _ = handler.(EventHandler)
	g.runner, _ = handler.(Runner)
	g.converter, _ = handler.(Converter)
	g.deliverer, _ = handler.(Deliverer)
	g.tester, _ = handler.(Tester)
	g.operator, _ = handler.(Operator)
	g.south.lookUp(handler)
	return g
}

// Call runs the handler of an entry point on an encoded input, and appends the
// encoded answer to reply. With failed the answer is an encoded abi.Error.
func (g *Guest) Call(entry string, input, reply []byte) (answer []byte, failed bool) {
	g.step.begin()
	answer, err := g.dispatch(entry, input, reply)
	if err != nil {
		return asFault(err).Append(reply), true
	}
	return answer, false
}

func (g *Guest) dispatch(entry string, input, reply []byte) ([]byte, error) {
	var err error
	switch entry {
	case abi.EntryDescribe:
		return g.describe(reply), nil
	case abi.EntryTest:
		return g.onTest(input, reply)
	case abi.EntryOpen:
		err = g.onOpen(input)
	case abi.EntryClose:
		err = g.onClose(input)
	case abi.EntryPoll:
		err = g.onPoll(input)
	case abi.EntryOnEvents:
		err = g.onEvents(input)
	case abi.EntryRun:
		err = g.onRun()
	case abi.EntryConvert:
		err = g.onConvert(input)
	case abi.EntryDeliver:
		err = g.onDeliver(input)
	case abi.EntryOnPublish, abi.EntryOnQuery, abi.EntryOnRPC, abi.EntryOnCommand, abi.EntryOnAttributes:
		err = g.onMessage(entry, input)
	case abi.EntryOnJob:
		err = g.onJob(input)
	case abi.EntryEncode:
		return g.onEncode(input, reply)
	case abi.EntryDeploy, abi.EntryTearDown, abi.EntryNormalizeImport, abi.EntryExchangeOAuthCode, abi.EntryOAuthAuthorizeURL:
		return g.onSetup(entry, input, reply)
	default:
		if name, ok := strings.CutPrefix(entry, abi.OperationPrefix); ok {
			return g.onOperation(name, input, reply)
		}
		err = unsupported(entry)
	}
	if err != nil {
		return nil, err
	}
	return g.step.out.Append(reply), nil
}

// describe lists the entry points that have a handler, as JSON of a manifest's
// form: the host holds it against the manifest's claims.
func (g *Guest) describe(reply []byte) []byte {
	reply = append(reply, `{"entry_points":[`...)
	first := true
	for _, h := range handlers {
		if !h.has(g.handler) {
			continue
		}
		if !first {
			reply = append(reply, ',')
		}
		first = false
		reply = append(reply, '"')
		reply = append(reply, h.entry...)
		reply = append(reply, '"')
	}
	return append(reply, `]}`...)
}

func (g *Guest) onOpen(input []byte) error {
	h := g.opener
	if h == nil {
		return unsupported(abi.EntryOpen)
	}
	if err := g.open.Decode(input); err != nil {
		return unreadable(abi.EntryOpen, err)
	}
	g.step.name = g.open.Connector
	return h.Open(&g.open, &g.step)
}

func (g *Guest) onClose(input []byte) error {
	h := g.closer
	if h == nil {
		return unsupported(abi.EntryClose)
	}
	if err := g.close.Decode(input); err != nil {
		return unreadable(abi.EntryClose, err)
	}
	return h.Close(g.close.Reason)
}

func (g *Guest) onPoll(input []byte) error {
	h := g.poller
	if h == nil {
		return unsupported(abi.EntryPoll)
	}
	if err := g.poll.Decode(input); err != nil {
		return unreadable(abi.EntryPoll, err)
	}
	g.step.device = g.poll.Device
	return h.Poll(g.poll.Cursor, &g.step)
}

func (g *Guest) onEvents(input []byte) error {
	h := g.eventHandler
	if h == nil {
		return unsupported(abi.EntryOnEvents)
	}
	if err := g.events.Decode(input); err != nil {
		return unreadable(abi.EntryOnEvents, err)
	}
	if err := h.OnEvents(g.events.Events, &g.step); err != nil {
		return err
	}
	g.step.skipUnknown(g.events.Events)
	return nil
}

func (g *Guest) onRun() error {
	h := g.runner
	if h == nil {
		return unsupported(abi.EntryRun)
	}
	g.loop.start(&g.step)
	return h.Run(&g.loop)
}

func (g *Guest) onConvert(input []byte) error {
	h := g.converter
	if h == nil {
		return unsupported(abi.EntryConvert)
	}
	if err := g.batch.Decode(input); err != nil {
		return unreadable(abi.EntryConvert, err)
	}
	return h.Convert(&g.batch, &g.step)
}

func (g *Guest) onDeliver(input []byte) error {
	h := g.deliverer
	if h == nil {
		return unsupported(abi.EntryDeliver)
	}
	if err := g.handed.Decode(input); err != nil {
		return unreadable(abi.EntryDeliver, err)
	}
	return h.Deliver(&g.handed, &g.step)
}

func (g *Guest) onTest(input, reply []byte) ([]byte, error) {
	h := g.tester
	if h == nil {
		return nil, unsupported(abi.EntryTest)
	}
	if err := g.open.Decode(input); err != nil {
		return nil, unreadable(abi.EntryTest, err)
	}
	return h.Test(&g.open).Append(reply), nil
}
