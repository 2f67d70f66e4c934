package api

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
)

const (
	// largeRecord is more than a stream holds for a reader that may be slow. It
	// takes one of the tenant's places for large ones until it is written.
	largeRecord = 8 << 10
	largeAtOnce = 2
	// largeWait is without meaning: a stream that waits for a place looks up
	// each second, to see whether its token still holds.
	largeWait = time.Hour
)

// recordFeed is a stream of records.
type recordFeed struct {
	tenant  *control.Tenant
	options control.StreamOptions                      // After is behind what was pushed
	records *control.Stream                            // nil: at rest
	append  func(dst []byte, r *control.Record) []byte // one line
	large   *turns
	wants   bool // the next record is a large one
	close   func(what string, r interface{ Close() error })
}

func (f *recordFeed) open(ctx context.Context) (err error) {
	if f.records != nil {
		return nil
	}
	if f.records, err = f.tenant.Stream(ctx, f.options); err == nil {
		f.options.After, f.options.Until = f.records.Place(), f.records.Until()
	}
	return err
}

func (f *recordFeed) pending() bool { return f.records != nil && f.records.Pending() }

func (f *recordFeed) place() string { return f.options.After }

func (f *recordFeed) rest() {
	if f.records != nil {
		f.close("stream", f.records)
		f.records = nil
	}
}

func (f *recordFeed) push(ctx context.Context, p *pusher) (full bool, err error) {
	leave := func() {}
	if f.wants {
		if leave, err = f.large.take(ctx); err != nil {
			return false, err
		}
	}
	defer func() { leave() }()
	if err := f.open(ctx); err != nil {
		return false, err
	}
	r, err := f.records.Next(ctx)
	if err != nil {
		return false, err
	}
	if sizeOf(&r) > largeRecord && !f.wants {
		f.wants = true
		f.rest() // and the record comes again
		return false, errIdle
	}
	f.options.After = f.records.Place()
	full = p.end(f.append(p.begin("record", r.Position), &r))
	if f.wants { // it is written while its place is held
		f.wants = false
		f.rest()
		return false, p.flushInTime()
	}
	return full, nil
}

// sizeOf is about what a record takes.
func sizeOf(r *control.Record) int {
	const each = 32 // names of members, numbers and the like
	n := len(r.Payload)
	for i := range r.Points {
		n += len(r.Points[i].Name) + len(r.Points[i].Unit) + lenOf(r.Points[i].Value) + each
	}
	for i := range r.Headers {
		n += len(r.Headers[i].Name) + len(r.Headers[i].Value) + each
	}
	return n
}

func lenOf(v abi.Value) int {
	switch v.Type() {
	case abi.ValueString:
		return len(v.String())
	case abi.ValueBytes:
		return len(v.Bytes())
	default:
		return 0
	}
}

// largeOf are a tenant's places for large records.
func (s *Server) largeOf(tenant string) *turns {
	s.largeMu.Lock()
	defer s.largeMu.Unlock()
	t := s.large[tenant]
	if t == nil {
		t = newTurns("large records", largeAtOnce, largeWait)
		s.large[tenant] = t
	}
	return t
}
