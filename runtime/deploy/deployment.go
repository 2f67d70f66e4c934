package deploy

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a deployment.
const (
	// MaxDeployments is how many a tenant has.
	MaxDeployments = 1000
	// MaxResources is how many one deployment has, orphans among them.
	MaxResources = 128
	// MaxAsk bounds what is asked for of one resource, in bytes.
	MaxAsk = 32 << 10
	// MaxDocument bounds the document of a device, and what a guest answers, in
	// bytes.
	MaxDocument = 32 << 10
	// maxStored bounds all of a deployment, in bytes.
	maxStored = 224 << 10
	// maxReason bounds why something is an orphan, in bytes.
	maxReason = 512
)

// State is where a deployment stands.
type State string

// The states.
const (
	Deploying   State = "deploying"
	Deployed    State = "deployed"
	Failed      State = "failed" // what it had made was taken back, or is listed as an orphan
	TearingDown State = "tearing_down"
	TornDown    State = "torn_down" // it is kept for its orphans alone
)

// Deployment is what was set up for one device.
type Deployment struct {
	UUID   string `json:"uuid"`   // of the device
	Device string `json:"device"` // its id
	Name   string `json:"name,omitempty"`
	// Category and Type are those of the connector that deploys.
	Category  string `json:"category"`
	Type      string `json:"type"`
	Connector string `json:"connector"` // id
	// Document is what was asked for.
	Document json.RawMessage `json:"document"`
	State    State           `json:"state"`
	Problem  *Problem        `json:"problem,omitempty"` // of the last run; nil: none
	// Resources are in the order in which they were made.
	Resources []Resource `json:"resources,omitempty"`
	// Answer is what the guest's deploy answered last: JSON, or nothing.
	Answer json.RawMessage `json:"answer,omitempty"`
	// Runs counts deploys and tear-downs; Good is the last one that has succeeded
	// to deploy, 0: none has.
	Runs uint64 `json:"runs"`
	Good uint64 `json:"good,omitempty"`
	// Numbers is the last number that a resource was given.
	Numbers uint64    `json:"numbers"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Revision counts changes of what is wanted and of what is there.
	Revision uint64 `json:"revision"`
}

// Problem is why a run failed.
type Problem struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// ProblemOf is an error as it is kept; nil: there is none.
func ProblemOf(err error) *Problem {
	if err == nil {
		return nil
	}
	f := fault.Of(err)
	return &Problem{Code: f.Kind.String(), Text: fault.Clip(f.Text, 2*maxReason), Hint: fault.Clip(f.Advice(), maxReason)}
}

// Kind is what a resource is.
type Kind string

// The kinds.
const (
	KindConnector Kind = "connector"
	KindDevice    Kind = "device"
	KindHTTP      Kind = "http"
	KindTopic     Kind = "topic"
	KindNote      Kind = "note"
	// KindTearDown stands for what the module's own tear_down takes down, from
	// its beginning until it has succeeded.
	KindTearDown Kind = "tear_down"
)

// Standing is where a resource stands.
type Standing string

// The standings.
const (
	Intended Standing = "intended" // it may be there: nobody knows yet
	Made     Standing = "made"
	Orphan   Standing = "orphan" // it should be gone, and may be there
)

// Resource is one line of a ledger.
type Resource struct {
	Number   uint64   `json:"number"` // never used again in the deployment
	Kind     Kind     `json:"kind"`
	Name     string   `json:"name"`
	Standing Standing `json:"standing"`
	// Ask is the guest's request for it (abi.DeployConnector and its like,
	// encoded). Was is what it was after the last run that has succeeded; nil: the
	// same.
	Ask []byte `json:"ask,omitempty"`
	Was []byte `json:"was,omitempty"`
	Result
	// Born is the run that made it, Run the last one that asked for it.
	Born   uint64    `json:"born"`
	Run    uint64    `json:"run"`
	Reason string    `json:"reason,omitempty"` // why it is an orphan
	At     time.Time `json:"at"`
}

// Result is what came of making a resource.
type Result struct {
	ID     string `json:"id,omitempty"`     // of a connector or a device
	Status uint32 `json:"status,omitempty"` // of an HTTP resource
	Body   []byte `json:"body,omitempty"`   // of its answer, the beginning
	// Inverse is the request that takes it away, encoded; none: what was asked
	// for says it.
	Inverse []byte `json:"inverse,omitempty"`
}

// Orphans are, between runs, the resources that may be there and should not, or
// of which nobody knows what they are.
func (d *Deployment) Orphans() (all []Resource) {
	for _, r := range d.Resources {
		if r.Standing != Made {
			all = append(all, r)
		}
	}
	return all
}

// find is the place of the resource of a kind and a name: one that is no orphan,
// else the newest orphan; -1: there is none.
func (d *Deployment) find(kind Kind, name string) int {
	found := -1
	for i, r := range d.Resources {
		if r.Kind != kind || r.Name != name {
			continue
		}
		if found = i; r.Standing != Orphan {
			return i
		}
	}
	return found
}

// Resource is the one of a kind and a name, an orphan if there is no other.
func (d *Deployment) Resource(kind Kind, name string) (Resource, bool) {
	if i := d.find(kind, name); i >= 0 {
		return d.Resources[i], true
	}
	return Resource{}, false
}
