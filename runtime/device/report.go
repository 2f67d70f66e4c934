package device

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxListed bounds each list of a report; the counts go on.
const maxListed = 100

// Report is what a sync of a connector's devices came to.
type Report struct {
	Connector string    `json:"connector"`
	Reason    string    `json:"reason"` // start, requested
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended"`
	// What was done upstream. Unchanged are those that upstream knew as they are.
	Added        Devices `json:"added"`
	Updated      Devices `json:"updated"`
	Disconnected Devices `json:"disconnected"`
	Deleted      Devices `json:"deleted"`
	Unchanged    int     `json:"unchanged"`
	// Adopted are those that the manager had, and the book did not.
	Adopted Devices `json:"adopted"`
	// Failed could not be done, and is tried again at the next sync.
	Failed      []Failure `json:"failed"`
	FailedCount int       `json:"failed_count"`
	// NeedsAction is for people: nobody but them can do it.
	NeedsAction      []Action `json:"needs_action"`
	NeedsActionCount int      `json:"needs_action_count"`
	// Error says why the sync ended before it was through; "": it did not.
	Error string `json:"error,omitempty"`
	// NoPlatform says that there is nobody to tell, which is why it ended.
	NoPlatform bool `json:"no_platform,omitempty"`
}

// Devices are some devices, counted, with the first ids.
type Devices struct {
	Count int      `json:"count"`
	IDs   []string `json:"ids,omitempty"`
}

// Failure is a device that upstream, or the manager, could not be told of.
type Failure struct {
	Device    string `json:"device"`
	Operation string `json:"operation"`
	Code      string `json:"code"`
	Reason    string `json:"reason"`
}

// Action is what people have to do.
type Action struct {
	Device string `json:"device"`
	Text   string `json:"text"`
}

func (d *Devices) add(id string) {
	if d.Count++; len(d.IDs) < maxListed {
		d.IDs = append(d.IDs, id)
	}
}

func (r *Report) fail(device, operation string, err error) {
	f := fault.Of(err)
	if r.FailedCount++; len(r.Failed) < maxListed {
		r.Failed = append(r.Failed, Failure{Device: device, Operation: operation, Code: f.Kind.String(), Reason: fault.Clip(f.Text, 256)})
	}
}

func (r *Report) need(device, text string) {
	if r.NeedsActionCount++; len(r.NeedsAction) < maxListed {
		r.NeedsAction = append(r.NeedsAction, Action{Device: device, Text: text})
	}
}

// LastReport is the report of a connector's last sync; fault.NotFound: there was
// none.
func LastReport(r store.Reader, connector string) (report Report, err error) {
	e, err := r.Get(store.DeviceSyncs, connector)
	if fault.Is(err, fault.NotFound) {
		return report, fault.New(fault.NotFound, "the devices of the connector %.64s were never brought in step with a platform", connector).
			WithHint("`snaprail devices sync` does it.")
	}
	if err != nil {
		return report, err
	}
	if err := json.Unmarshal(e.Value, &report); err != nil {
		return report, fault.Wrap(fault.Integrity, err, "the report of a sync")
	}
	return report, nil
}

func saveReport(w store.Writer, r *Report) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the report of a sync")
	}
	_, err = w.Put(store.DeviceSyncs, r.Connector, raw)
	return err
}
