package spec

import (
	"slices"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// FeedStart is where a connector begins to be handed records.
type FeedStart string

// The starts of a feed.
const (
	FeedNow    FeedStart = "now"    // with what comes from then on
	FeedOldest FeedStart = "oldest" // with the oldest that is kept
)

// The bounds of a feed.
const (
	MaxFeedFrom   = 256
	MaxFeedWaitMS = 60_000
)

// Feed says which of the tenant's records a connector that delivers is handed.
// The zero value is everything of all other connectors, from now on, at once.
type Feed struct {
	From []string `json:"from,omitempty" maxItems:"256" doc:"Names of the connectors whose records are delivered; none: all others of the tenant, but for those that deliver themselves"`
	// IDs are those of the connectors that From names, in its order, as they were
	// when it was set: a source that gets another name, or is deleted, is still
	// meant. "": nobody had the name.
	IDs        []string  `json:"ids,omitempty" readOnly:"true" doc:"Ids of the connectors that from names, as they were when it was set"`
	Start      FeedStart `json:"start,omitempty" enum:"now,oldest" doc:"Where it begins when it is first activated: now (the default), or with the oldest records that are kept"`
	MaxRecords int       `json:"max_records,omitempty" minimum:"0" maximum:"256" doc:"Records in one call at most; 0: 256"`
	MaxWaitMS  int       `json:"max_wait_ms,omitempty" minimum:"0" maximum:"60000" doc:"How long records wait for others to make a call full, in ms; 0: not at all"`
}

// Check says what is wrong with a feed, or nil.
func (f *Feed) Check() *fault.Field {
	switch {
	case len(f.From) > MaxFeedFrom:
		return &fault.Field{Pointer: "/feed/from", Detail: "names at most " + strconv.Itoa(MaxFeedFrom) + " connectors"}
	case f.Start != "" && f.Start != FeedNow && f.Start != FeedOldest:
		return &fault.Field{Pointer: "/feed/start", Detail: "must be now or oldest"}
	case f.MaxRecords < 0 || f.MaxRecords > abi.MaxItems:
		return &fault.Field{Pointer: "/feed/max_records", Detail: "must be 0 to " + strconv.Itoa(abi.MaxItems)}
	case f.MaxWaitMS < 0 || f.MaxWaitMS > MaxFeedWaitMS:
		return &fault.Field{Pointer: "/feed/max_wait_ms", Detail: "must be 0 to " + strconv.Itoa(MaxFeedWaitMS)}
	}
	for i, name := range f.From {
		if name == "" {
			return &fault.Field{Pointer: "/feed/from/" + strconv.Itoa(i), Detail: "is empty"}
		}
	}
	return nil
}

// Most is how many records one call gets at most.
func (f *Feed) Most() int {
	if f.MaxRecords > 0 {
		return f.MaxRecords
	}
	return abi.MaxItems
}

// Wait is how long a record waits for others at most.
func (f *Feed) Wait() time.Duration { return time.Duration(f.MaxWaitMS) * time.Millisecond }

// Wants reports whether the records of a connector, which is called so now, are
// handed out.
func (f *Feed) Wants(id, name string) bool {
	if len(f.From) == 0 {
		return true
	}
	return slices.Contains(f.From, name) || slices.Contains(f.From, id) || slices.Contains(f.IDs, id)
}

// Same reports whether two feeds hand out the same in the same way.
func (f *Feed) Same(o *Feed) bool {
	return slices.Equal(f.From, o.From) && f.Start == o.Start && f.MaxRecords == o.MaxRecords && f.MaxWaitMS == o.MaxWaitMS
}
