package hostfnstest

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
)

// regrant takes grants away from a session that is open, and gives them again: it has
// to let go at once, and to go on by itself.
func regrant(t *testing.T, c Case) {
	if c.Open == nil {
		return
	}
	end := c.open(t)
	held, ok := end.(capability.Regranted)
	if !ok {
		if c.Less != nil || c.Short != nil {
			t.Fatal("the sessions are not told of grants")
		}
		return
	}
	if err := held.Adopt(c.Grants); err != nil {
		t.Errorf("with its own grants: %v", err)
	}
	if c.Short != nil && held.Adopt(c.Short) == nil {
		t.Error("it may be adopted without what it asks for")
	}
	if c.Less == nil {
		t.Fatal("the case says nothing of grants without a network")
	}
	shows := end.(capability.Reporter)
	for range 2 {
		eventually(t, "it is up", func() bool { return shows.Condition().Up })
		held.Regrant(t.Context(), c.Less)
		eventually(t, "it is down for want of a network", func() bool {
			is := shows.Condition()
			return !is.Up && strings.Contains(is.Reason, "no grant names its network")
		})
		held.Regrant(t.Context(), c.Grants)
	}
	eventually(t, "it is up again", func() bool { return shows.Condition().Up })
}
