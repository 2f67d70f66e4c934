package main

import (
	"fmt"
	"hash/fnv"

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
				Kind: abi.FaultInvalid, Code: "invalid_config", Text: fmt.Sprintf("/items/%d/name: another item of the device %s is named %s", i, it.Device, it.Name),
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

// numbers give each item a number that follows from its node: values that the
// host holds for the version before mean the same items to the next one, whatever
// has become of their order. No two are equal.
func (c *config) numbers() (of map[uint32]int, list []uint32) {
	of, list = make(map[uint32]int, len(c.Items)), make([]uint32, len(c.Items))
	for i := range c.Items {
		h := fnv.New32a()
		_, _ = h.Write([]byte(c.Items[i].Node)) // it cannot fail
		n := h.Sum32()
		for _, taken := of[n]; taken; _, taken = of[n] {
			n++
		}
		of[n], list[i] = i, n
	}
	return of, list
}

// watched are the items as the host wants them, with their numbers.
func (c *config) watched(numbers []uint32) []opcua.Item {
	list := make([]opcua.Item, len(c.Items))
	for i, it := range c.Items {
		list[i] = opcua.Item{ID: numbers[i], Node: it.Node, Queue: it.Queue, DeadbandValue: it.Deadband}
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
