package control

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// The bounds of a preview.
const (
	maxSamples     = 64
	maxSample      = 64 << 10 // bytes of one
	previewTime    = 15 * time.Second
	maxPreviewMade = 1024 // records that are shown of one sample
)

// PreviewInput says which converter is tried out on what.
type PreviewInput struct {
	// Connector, by id or name, is whose converter it is; "": nobody's.
	Connector string
	// Device is the one whose converter it is, if it has one of its own.
	Device string
	// Converter is tried out in the place of the one that is there; nil: only
	// that is.
	Converter *spec.Converter
	// Samples are records, as a module makes them, and Messages what is sent.
	Samples  []abi.Record
	Messages []abi.Message
	// Newest is how many of the connector's newest records are tried out, too:
	// those that came to its converter, and those in quarantine.
	Newest int
}

// Where a sample is from.
const (
	FromCaller     = "given"
	FromCapture    = "captured"
	FromQuarantine = "quarantine"
)

// Preview is what became of samples and messages.
type Preview struct {
	Samples  []PreviewSample
	Messages []PreviewMessage
	// Lines are what the converters had to say, those of before and of after.
	Before, After []string
}

// PreviewSample is one record, with what the converter that is there makes of it
// and what the other one does. Nil: there is no such converter.
type PreviewSample struct {
	Record        abi.Record
	From          string
	Before, After *PreviewOutcome
}

// PreviewMessage is one message, as PreviewSample.
type PreviewMessage struct {
	Message       abi.Message
	Before, After *PreviewOutcome
}

// PreviewOutcome is what became of one sample: records or messages, or why not.
type PreviewOutcome struct {
	Records  []abi.Record
	Messages []abi.Message
	Reasons  []string // why something of it would be in quarantine, or be refused
	Skipped  uint64   // records that would be dropped and counted
}

// Preview tries converters out on samples, in the sandbox and beside whatever
// runs. Nothing of it is kept or sent.
func (t *Tenant) Preview(ctx context.Context, in PreviewInput) (p Preview, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return p, err
	}
	if in.Newest > 0 { // these are records of the stream
		if err := t.may(ctx, identity.Stream, identity.Read); err != nil {
			return p, err
		}
	}
	if err := in.check(); err != nil {
		return p, err
	}
	ctx, cancel := context.WithTimeout(ctx, previewTime)
	defer cancel()
	var c *spec.Connector
	if in.Connector != "" {
		held, err := t.read(ctx, in.Connector)
		if err != nil {
			return p, err
		}
		c = &held
	}
	if in.Converter != nil {
		if in.Converter, err = t.previewed(ctx, *in.Converter); err != nil {
			return p, err
		}
	}
	samples, err := t.samples(ctx, c, &in)
	if err != nil {
		return p, err
	}
	p.Samples = samples
	for _, m := range in.Messages {
		p.Messages = append(p.Messages, PreviewMessage{Message: m})
	}
	if c != nil {
		if p.Before, err = t.preview(ctx, c, in.Device, nil, &p, setBefore); err != nil {
			return p, err
		}
	}
	if in.Converter != nil {
		p.After, err = t.preview(ctx, c, in.Device, in.Converter, &p, setAfter)
	}
	return p, err
}

func setBefore(s *PreviewSample, m *PreviewMessage, o *PreviewOutcome) {
	if s != nil {
		s.Before = o
	} else {
		m.Before = o
	}
}

func setAfter(s *PreviewSample, m *PreviewMessage, o *PreviewOutcome) {
	if s != nil {
		s.After = o
	} else {
		m.After = o
	}
}

func (in *PreviewInput) check() error {
	var f findings
	if in.Connector == "" && in.Converter == nil {
		f.wrong("/converter", "is required, or a connector whose converter is tried out")
	}
	if in.Connector == "" && in.Newest > 0 {
		f.wrong("/newest", "is for the records of a connector: name one")
	}
	if in.Newest < 0 || in.Newest+len(in.Samples)+len(in.Messages) > maxSamples {
		f.wrong("/samples", "are at most %d, with messages and the newest records", maxSamples)
	}
	for i := range in.Samples {
		if len(in.Samples[i].Payload) > maxSample {
			f.wrong("/samples/"+strconv.Itoa(i), "has at most %d bytes", maxSample)
		}
	}
	for i := range in.Messages {
		if len(in.Messages[i].Body) > maxSample {
			f.wrong("/messages/"+strconv.Itoa(i), "has at most %d bytes", maxSample)
		}
	}
	return f.of("preview")
}

// previewed checks a converter that is tried out. It may have secrets, which are
// in the open here: nothing is stored.
func (t *Tenant) previewed(ctx context.Context, in spec.Converter) (*spec.Converter, error) {
	checked, err := t.plainConverter(ctx, "/converter", in, true)
	return &checked, err
}

// samples are all records that are tried out.
func (t *Tenant) samples(ctx context.Context, c *spec.Connector, in *PreviewInput) (all []PreviewSample, err error) {
	for _, r := range in.Samples {
		if r.Device == "" {
			r.Device = in.Device
		}
		if r.Time == 0 {
			r.Time = time.Now().UnixNano()
		}
		all = append(all, PreviewSample{Record: r, From: FromCaller})
	}
	if c == nil || in.Newest == 0 {
		return all, nil
	}
	mask := t.runtime.Vault().Mask()
	add := func(from string, records []abi.Record, most int) {
		for _, r := range records[:min(len(records), most)] {
			if in.Device == "" || r.Device == in.Device {
				r.Payload = mask.Bytes(r.Payload)
				all = append(all, PreviewSample{Record: r, From: from})
			}
		}
	}
	rejected, err := t.runtime.Rejected(ctx, c.ID, in.Newest)
	if err != nil {
		return nil, err
	}
	half := in.Newest - min(len(rejected), in.Newest/2)
	captured := t.runtime.Captured(c.ID, half)
	add(FromCapture, captured, half)
	add(FromQuarantine, rejected, in.Newest-len(captured))
	return all, nil
}

// preview tries out one converter on everything.
func (t *Tenant) preview(
	ctx context.Context, c *spec.Connector, device string, converter *spec.Converter, p *Preview,
	set func(*PreviewSample, *PreviewMessage, *PreviewOutcome),
) ([]string, error) {
	one, err := t.runtime.Preview(ctx, c, device, converter)
	if err != nil {
		return nil, err
	}
	defer one.Close()
	for i := range p.Samples {
		out, err := one.Record(ctx, p.Samples[i].Record)
		if err != nil {
			if ctx.Err() != nil {
				return nil, late(ctx)
			}
			out = actor.Preview{Reasons: []string{fault.Of(err).Text}}
		}
		if len(out.Records) > maxPreviewMade {
			out.Records = out.Records[:maxPreviewMade]
		}
		set(&p.Samples[i], nil, &PreviewOutcome{Records: out.Records, Reasons: out.Reasons, Skipped: out.Skipped})
	}
	for i := range p.Messages {
		set(nil, &p.Messages[i], t.previewMessage(ctx, one, p.Messages[i].Message))
		if ctx.Err() != nil {
			return nil, late(ctx)
		}
	}
	return one.Lines(), nil
}

func (t *Tenant) previewMessage(ctx context.Context, one *supervisor.Previewer, m abi.Message) *PreviewOutcome {
	made, reasons, err := one.Message(ctx, m)
	if err != nil {
		reasons = append(reasons, fault.Of(err).Text)
	}
	return &PreviewOutcome{Messages: made, Reasons: reasons}
}

func late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(fault.Timeout, "the converter has not come through the samples within %s", previewTime).
			WithHint("Give fewer samples.")
	}
	return fault.Of(ctx.Err())
}
