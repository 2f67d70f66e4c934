// Command factory deploys machines: of each a connector, a device and HTTP
// resources, as its config says, and it fails as it is told to. It exists for the
// host's tests.
package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/deploy"
)

var _ = snaprail.Register(factory{})

func main() {}

type factory struct{}

// plan is the config of one deployment.
type plan struct {
	Server     string   `json:"server"`
	IntervalMS int      `json:"interval_ms"`
	Views      []string `json:"views"`
	Posted     []string `json:"posted"`
	Wide       bool     `json:"wide"`
	Topic      bool     `json:"topic"`
	Brokers    []string `json:"brokers"`
	Partitions uint32   `json:"partitions"`
	Note       string   `json:"note"`
	Bare       bool     `json:"bare"`
	End        string   `json:"end"`
	Tear       string   `json:"tear"`
}

// machine is what is deployed.
type machine struct {
	UUID string `json:"uuid"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// made is the answer of deploy.
type made struct {
	UUID      string   `json:"uuid"`
	Connector string   `json:"connector,omitempty"`
	Existed   int      `json:"existed"`
	Bodies    []string `json:"bodies,omitempty"`
}

func (factory) OnEvents([]abi.Event, *snaprail.Step) error { return nil }

func (factory) Deploy(in *abi.DeployInput) ([]byte, error) {
	var p plan
	var m machine
	if err := errors.Join(json.Unmarshal(in.Config, &p), json.Unmarshal(in.Device, &m)); err != nil {
		return nil, err
	}
	out := made{UUID: m.UUID}
	for _, step := range []func(*plan, *machine, *made) error{connect, view, post, topic, note} {
		if err := step(&p, &m, &out); err != nil {
			return nil, err
		}
	}
	if err := end(p.End); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

func (factory) TearDown(in *abi.DeployInput) ([]byte, error) {
	var p plan
	if err := json.Unmarshal(in.Config, &p); err != nil {
		return nil, err
	}
	return []byte("null"), end(p.Tear)
}

func (o *made) count(d abi.Deployed, err error) (abi.Deployed, error) {
	if d.Existed {
		o.Existed++
	}
	return d, err
}

// connect makes the machine's connector and registers the machine with it.
func connect(p *plan, m *machine, out *made) error {
	if p.Bare {
		return nil
	}
	name := "line of " + m.ID
	c := abi.DeployConnector{
		Name: name, Category: "telemetry", ProviderType: "ticker", Config: fmt.Appendf(nil, `{"interval_ms":%d}`, max(p.IntervalMS, 10)),
	}
	if p.Wide {
		c.Grants = []abi.DeployGrant{{Group: "serial", Resources: []string{"/dev/*"}, Rights: []string{"read"}}}
	}
	d, err := out.count(deploy.Connector(&c))
	if err != nil {
		return err
	}
	out.Connector = d.ID
	_, err = out.count(deploy.Device(name, &abi.Device{
		ID: m.ID, Type: "ticker", Name: m.Name, Tags: []abi.Header{{Name: "line", Value: []byte("3")}},
	}))
	return err
}

// view makes HTTP resources whose names are known.
func view(p *plan, m *machine, out *made) error {
	for _, name := range p.Views {
		url := p.Server + "/views/" + name
		d, err := out.count(deploy.HTTP(name, &abi.HTTPRequest{Method: "PUT", URL: url, Body: fmt.Appendf(nil, `{"machine":%q}`, m.Name)},
			&abi.HTTPRequest{Method: "DELETE", URL: url}))
		if err != nil {
			return err
		}
		out.Bodies = append(out.Bodies, string(d.Body))
	}
	return nil
}

// post makes HTTP resources that the server names.
func post(p *plan, m *machine, out *made) error {
	for _, name := range p.Posted {
		_, err := out.count(deploy.HTTP("posted "+name, &abi.HTTPRequest{Method: "POST", URL: p.Server + "/posted", Body: fmt.Appendf(nil, "%q", name)},
			&abi.HTTPRequest{Method: "DELETE", URL: p.Server + "/posted/${/id}"}))
		if err != nil {
			return err
		}
	}
	return nil
}

// topic makes a topic of Kafka.
func topic(p *plan, m *machine, out *made) error {
	if !p.Topic || len(p.Brokers) == 0 {
		return nil
	}
	_, err := out.count(deploy.Topic(&abi.DeployTopic{
		Name: m.ID, Partitions: p.Partitions, Settings: []abi.Header{{Name: "cleanup.policy", Value: []byte("compact")}},
		Cluster: &abi.KafkaOpen{Brokers: p.Brokers, OpenTimeoutMS: 2000},
	}))
	return err
}

func note(p *plan, m *machine, _ *made) error {
	if p.Topic && len(p.Brokers) == 0 {
		var refused *abi.Error
		if _, err := deploy.Topic(&abi.DeployTopic{Name: m.ID}); !errors.As(err, &refused) || refused.Kind != abi.FaultInvalid {
			return fmt.Errorf("a topic: %w", err)
		}
		p.Note = "there is no topic for " + m.ID
	}
	if p.Note == "" {
		return nil
	}
	return deploy.Note("by hand", p.Note)
}

// end ends as it is told to.
func end(how string) error {
	switch how {
	case "trap":
		panic("told to")
	case "error":
		return errors.New("told to fail")
	case "spin":
		for { //nolint:revive // the host ends it
		}
	}
	return nil
}
