package main

import (
	"fmt"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/opcua"
)

// config is the connector's. Times are in seconds.
type config struct {
	Endpoint          string  `json:"endpoint"`
	Policy            string  `json:"policy"`
	Mode              string  `json:"mode"`
	AllowInsecure     bool    `json:"allow_insecure"`
	Username          string  `json:"username"`
	Password          string  `json:"password"`
	UserCertificate   string  `json:"user_certificate"`
	UserKey           string  `json:"user_key"`
	Certificate       string  `json:"certificate"`
	Key               string  `json:"key"`
	ServerCertificate string  `json:"server_certificate"`
	OpenTimeout       float64 `json:"open_timeout"`

	Device   string  `json:"device"`
	Interval float64 `json:"interval"`
	Poll     float64 `json:"poll"`
	AnyNode  bool    `json:"any_node"`
	Items    []item  `json:"items"`
}

type item struct {
	Name     string   `json:"name"`
	Node     string   `json:"node"`
	Device   string   `json:"device"`
	Unit     string   `json:"unit"`
	Writable bool     `json:"writable"`
	Sampling *float64 `json:"sampling"`
	Queue    uint32   `json:"queue"`
	Deadband float64  `json:"deadband"`
	Percent  bool     `json:"percent"`
}

func readConfig(in *abi.OpenInput) (config, error) {
	c := config{Device: "opcua", Interval: 1, OpenTimeout: 10}
	if err := snaprail.Config(in, &c); err != nil {
		return c, err
	}
	seen := map[[2]string]bool{}
	for i := range c.Items {
		it := &c.Items[i]
		if it.Device == "" {
			it.Device = c.Device
		}
		key := [2]string{it.Device, it.Name}
		if seen[key] {
			return c, &abi.Error{
				Kind: abi.FaultInvalid, Code: "invalid_config", Text: fmt.Sprintf("two items of the device %s are named %s", it.Device, it.Name),
				Hint: "Give each item of a device a name of its own.",
			}
		}
		seen[key] = true
	}
	return c, nil
}

func (c *config) options() opcua.Options {
	return opcua.Options{
		Endpoint: c.Endpoint, Policy: c.Policy, Mode: c.Mode, AllowInsecure: c.AllowInsecure,
		Username: c.Username, Password: c.Password, UserCertificate: c.UserCertificate, UserKey: c.UserKey,
		Certificate: c.Certificate, Key: c.Key, ServerCertificate: c.ServerCertificate,
		OpenTimeoutMS: uint64(c.OpenTimeout * 1000),
	}
}

// devices are those of the items, in their order.
func (c *config) devices() (names []string) {
	for i := range c.Items {
		if d := c.Items[i].Device; !slices.Contains(names, d) {
			names = append(names, d)
		}
	}
	return names
}

// watched are the items as the host wants them; the id is the index.
func (c *config) watched() []opcua.Item {
	list := make([]opcua.Item, len(c.Items))
	for i, it := range c.Items {
		list[i] = opcua.Item{ID: uint32(i), Node: it.Node, Queue: it.Queue, DeadbandValue: it.Deadband}
		if it.Sampling != nil {
			list[i].SamplingMS = new(*it.Sampling * 1000)
		}
		if it.Deadband > 0 {
			list[i].Deadband = 1
			if it.Percent {
				list[i].Deadband = 2
			}
		}
	}
	return list
}
