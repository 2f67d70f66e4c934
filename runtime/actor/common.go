package actor

import (
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/engine"
)

// Common is what the lanes of one connector share: one account of the engine's
// one set of limits and one pot of each thing that they hold, so that a connector
// with a thousand lanes has hardly more than one with a single lane, and the
// refusals that are told. It is safe for use by several goroutines.
type Common struct {
	engine          *engine.Engine
	account, tenant string
	quota           *quota
	refusals        *refusals
	turns           turns
	pots            pots
	last            atomic.Pointer[engine.Usage] // of the account, once it is given back
}

// NewCommon makes what is shared by lanes that are charged to this account
// within the tenant's own. refused takes the refusals of all of them.
func NewCommon(e *engine.Engine, tenant, account string, refused func(Refusal)) *Common {
	return &Common{
		engine: e, account: account, tenant: tenant, quota: newQuota(), refusals: &refusals{tell: refused},
		turns: make(turns, jobsAtOnce), pots: newPots(),
	}
}

// use is what the guests of all lanes have used of the engine.
func (c *Common) use() engine.Usage {
	if last := c.last.Load(); last != nil {
		return *last
	}
	return c.engine.Usage(c.account)
}

// Close gives the account back, and keeps what it says. All actors must be
// closed.
func (c *Common) Close() {
	if c.account == "" {
		return
	}
	u := c.engine.Usage(c.account)
	c.last.Store(&u)
	c.engine.DropAccount(c.account)
}
