package lifecycle

import "time"

// Lanes are the lanes of a connector, counted by their states.
type Lanes struct {
	Total  int           `json:"total"`
	States map[State]int `json:"states,omitempty"`
	// Worst are those that need somebody's attention most, no more than a few.
	Worst []LaneState `json:"worst,omitempty"`
}

// LaneState is the state of one lane in short.
type LaneState struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Code     string    `json:"code,omitempty"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
}

// Lane is one lane of a connector with all that is known of it. Its limits are
// those of the whole connector.
type Lane struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
}

// Add adds what another lane of the same connector has counted. What all lanes
// share, the use of the processor and what was refused, is theirs together in
// each of them already.
func (c *Counters) Add(o *Counters) {
	c.Events += o.Events
	c.Calls += o.Calls
	c.Records += o.Records
	c.Blocks += o.Blocks
	c.Skipped += o.Skipped
	c.Quarantined += o.Quarantined
	c.Retried += o.Retried
	c.Repeated += o.Repeated
	c.Traps += o.Traps
	c.LogLines += o.LogLines
	c.Gaps += o.Gaps
	c.Jobs += o.Jobs
	c.MissedPolls += o.MissedPolls
	if o.LastRecord.After(c.LastRecord) {
		c.LastRecord = o.LastRecord
	}
	c.Denied = max(c.Denied, o.Denied)
	c.LogDropped = max(c.LogDropped, o.LogDropped)
	c.FuelUnits = max(c.FuelUnits, o.FuelUnits)
	c.CPUSeconds = max(c.CPUSeconds, o.CPUSeconds)
	c.ThrottledSeconds = max(c.ThrottledSeconds, o.ThrottledSeconds)
}
