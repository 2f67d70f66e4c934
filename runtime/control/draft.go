package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// draft is a connector on its way from what it was to what a caller wants it to
// be, within one transaction.
type draft struct {
	*Tenant
	in      *ConnectorInput
	found   *findings
	pages   *param.Book
	now     time.Time
	was, is spec.Connector // was has no id when it is new
	events  []identity.Event
	others  []string // ids of the connectors that were changed with it
	notes   []string // what the caller should know came of it, beside what they asked for
}

// settle makes it what is wanted, or says why it cannot be that.
func (d *draft) settle(w store.Writer) error {
	if d.found.err() == nil { // else only the configuration is left to look at
		if err := d.arrange(w); err != nil {
			return err
		}
	}
	d.apply()
	if err := d.feed(w); err != nil {
		return err
	}
	if err := d.configure(w); err != nil {
		return err
	}
	if err := d.found.err(); err != nil {
		return err
	}
	if err := d.setDefault(w); err != nil {
		return err
	}
	return d.enable()
}

// arrange settles what others have a part in: modules, consents and names.
func (d *draft) arrange(w store.Writer) error {
	if err := d.in.present(w); err != nil {
		return err
	}
	if d.was.ID != "" && d.was.Remote != d.in.Remote {
		return invalid([]fault.Field{{Pointer: "/remote", Detail: "cannot be changed: make another connector"}})
	}
	manager, err := managedBy(w, d.in.DeviceManager, d.is.ID)
	if err != nil {
		return err
	}
	d.is.DeviceManager = manager
	if c := d.in.OnChange; c != "" && c != spec.ChangeSwap && c != spec.ChangeReconnect {
		return invalid([]fault.Field{{Pointer: "/on_change", Detail: "is swap or reconnect"}})
	}
	d.is.OnChange = d.in.OnChange
	events, err := d.consented(w, &d.is, d.in, d.now)
	if err != nil {
		return err
	}
	if d.was.ID != "" { // else nothing was there that could have asked for less
		d.events = events
	}
	if d.was.Name == d.in.Name {
		return nil
	}
	if err := takeName(w, d.in.Name, d.is.ID); err != nil || d.was.ID == "" {
		return err
	}
	return w.Delete(store.ConnectorNames, nameKey(d.was.Name))
}

// apply copies what a caller may set and needs no more than that.
func (d *draft) apply() {
	in, c := d.in, &d.is
	c.Name, c.Module = in.Name, in.Module
	c.Category, c.ProviderType = in.Category, in.ProviderType
	c.Limits, c.Poll, c.Updated = in.Limits, in.Poll, d.now
	c.Set, c.Remote, c.Mapping, c.Feed = in.Set, in.Remote, in.Mapping, in.Feed
	c.Grants = settleGrants(c.Grants, in.Grants, d.by(), d.now)
	d.notes = append(d.notes, unlocked(d.was.Grants, c.Grants)...)
}

// feed notes which connectors the feed's names are of.
func (d *draft) feed(r store.Reader) error {
	f := &d.is.Feed
	f.IDs = nil
	if f.Check() != nil { // as the findings say
		return nil
	}
	if d.was.ID != "" && d.was.Feed.Start != f.Start && f.Start == spec.FeedOldest {
		d.notes = append(d.notes, "feed: where it starts counts for the first activation; one that has run goes on where it stands, and `snaprail connectors rewind` sets that")
	}
	if d.was.ID != "" && widened(&d.was.Feed, f) {
		d.notes = append(d.notes, "feed: of the connectors that are new in it, it delivers what comes from now on; "+
			"`snaprail connectors rewind` has it begin with older records, those of the others among them")
	}
	for _, name := range f.From {
		id := ""
		if i := slices.Index(d.was.Feed.From, name); i >= 0 && i < len(d.was.Feed.IDs) {
			id = d.was.Feed.IDs[i] // of whoever had the name
		}
		e, err := r.Get(store.ConnectorNames, nameKey(name))
		switch {
		case err == nil:
			id = string(e.Value)
		case !fault.Is(err, fault.NotFound):
			return err
		case id == "":
			d.notes = append(d.notes, fmt.Sprintf("feed: no connector is called %q now; its records are delivered once one is", name))
		}
		f.IDs = append(f.IDs, id)
	}
	return nil
}

// widened reports whether a feed takes from more connectors than before.
func widened(was, is *spec.Feed) bool {
	if len(was.From) == 0 {
		return false
	}
	return len(is.From) == 0 || slices.ContainsFunc(is.From, func(name string) bool { return !slices.Contains(was.From, name) })
}

// enable starts or stops it, if the caller says so. What a test has not passed
// for as it is now is not started.
func (d *draft) enable() error {
	want := d.in.Enabled
	if want == nil || *want == d.is.Enabled {
		return nil
	}
	action := identity.ConnectorDeactivate
	if *want {
		key, err := d.is.TestKey()
		if err != nil {
			return fault.Wrap(fault.ConfigInvalid, err, "connector %s", d.is.ID)
		}
		if d.is.Tested != key {
			return fault.New(fault.NotConnected, "no test has passed for what the connector is to be").
				WithHint("Leave is_enabled out, then activate the connector: that makes the test.")
		}
		action = identity.ConnectorActivate
	}
	d.is.Enabled = *want
	d.events = append(d.events, d.event(action, &d.is))
	return nil
}

// done are the events of the change, that of the change itself first.
func (d *draft) done(action identity.Action) []identity.Event {
	return append(d.changes(action, &d.was, &d.is), d.events...)
}

// save stores a new connector.
func (d *draft) save(w store.Writer, action identity.Action) error {
	if err := identity.Append(w, d.done(action)...); err != nil {
		return err
	}
	return save(w, &d.is)
}
