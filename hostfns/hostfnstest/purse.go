package hostfnstest

import (
	"context"
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Purse is a tenant's purse with so many bytes in it.
type Purse struct{ left atomic.Int64 }

var _ capability.Purse = (*Purse)(nil)

// NewPurse is one with so many bytes in it.
func NewPurse(bytes int64) *Purse {
	p := &Purse{}
	p.left.Store(bytes)
	return p
}

// Request implements capability.Purse: there are always places.
func (*Purse) Request(context.Context) (done func(), err error) { return func() {}, nil }

// Hold implements capability.Purse.
func (p *Purse) Hold(n int64) error {
	if left := p.left.Add(-n); n > 0 && left < 0 {
		p.left.Add(n)
		return fault.New(fault.Exhausted, "the purse is empty")
	}
	return nil
}

// Left is what is in it.
func (p *Purse) Left() int64 { return p.left.Load() }
