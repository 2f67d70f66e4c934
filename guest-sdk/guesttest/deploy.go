package guesttest

import (
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Deployment is what a guest asked for through the group deploy, in its order: of
// each resource the name with its kind, "connector press 1".
type Deployment struct {
	Asked      []string
	Connectors []abi.DeployConnector
	Devices    []abi.DeployDevice
	HTTP       []abi.DeployHTTP
	Topics     []abi.DeployTopic
	Notes      []abi.DeployNote
	// Fail is asked before each resource is made: an error is the guest's answer.
	// nil: everything can be made.
	Fail func(resource string) error
}

// Deployment grants the group deploy and collects what the guest asks for. A
// connector gets the id "con " and its name, and what is asked for a second time
// is there already.
func (h *Harness) Deployment() *Deployment {
	d := new(Deployment)
	h.Host("deploy", "connector", func(request []byte) ([]byte, error) {
		var c abi.DeployConnector
		return d.take("connector", request, &c, func() string {
			d.Connectors = append(d.Connectors, c)
			return c.Name
		})
	})
	h.Host("deploy", "device", func(request []byte) ([]byte, error) {
		var c abi.DeployDevice
		return d.take("device", request, &c, func() string {
			d.Devices = append(d.Devices, c)
			if c.Device == nil {
				return ""
			}
			return c.Device.ID
		})
	})
	h.Host("deploy", "http", func(request []byte) ([]byte, error) {
		var c abi.DeployHTTP
		return d.take("http", request, &c, func() string {
			d.HTTP = append(d.HTTP, c)
			return c.Name
		})
	})
	h.Host("deploy", "topic", func(request []byte) ([]byte, error) {
		var c abi.DeployTopic
		return d.take("topic", request, &c, func() string {
			d.Topics = append(d.Topics, c)
			return c.Name
		})
	})
	h.Host("deploy", "note", func(request []byte) ([]byte, error) {
		var c abi.DeployNote
		return d.take("note", request, &c, func() string {
			d.Notes = append(d.Notes, c)
			return c.Name
		})
	})
	return d
}

// take reads a request, keeps it by name and answers it.
func (d *Deployment) take(kind string, request []byte, into interface{ Decode(src []byte) error }, keep func() (name string)) ([]byte, error) {
	if err := into.Decode(append([]byte(nil), request...)); err != nil {
		return nil, err
	}
	name := keep()
	if name == "" {
		return nil, &abi.Error{Kind: abi.FaultInvalid, Code: "invalid", Text: fmt.Sprintf("deploy.%s: a resource without a name", kind)}
	}
	resource := kind + " " + name
	if d.Fail != nil {
		if err := d.Fail(resource); err != nil {
			return nil, err
		}
	}
	var answer abi.Deployed
	for _, asked := range d.Asked {
		answer.Existed = answer.Existed || asked == resource
	}
	d.Asked = append(d.Asked, resource)
	switch kind {
	case "connector":
		answer.ID = "con " + name
	case "device":
		answer.ID = name
	case "http":
		answer.Status = 201
	}
	return answer.Append(nil), nil
}
