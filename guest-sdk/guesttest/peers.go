package guesttest

import (
	"maps"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Connectors grants the group connectors on other connectors, which the test
// plays: it is handed the name of one and the message to it, and answers the
// replies. An *abi.Error reaches the guest as it is.
func (h *Harness) Connectors(answer func(connector string, m *abi.Message) ([]abi.Reply, error)) {
	h.Host("connectors", "call", func(request []byte) ([]byte, error) {
		var call abi.ConnectorCall
		if err := call.Decode(request); err != nil {
			return nil, err
		}
		m := call.Message
		if m == nil {
			m = new(abi.Message)
		}
		replies, err := answer(call.Connector, m.Clone())
		if err != nil {
			return nil, err
		}
		return (&abi.ConnectorReplies{Replies: replies}).Append(nil), nil
	})
}

// Devices grants the group devices on the devices of the connector, by id, which
// the test may change and read. Unlike a host it does not take back the changes
// of a step that failed. What a step changes by its outcome is Apply's.
func (h *Harness) Devices(devices ...abi.Device) map[string]abi.Device {
	kept := make(map[string]abi.Device)
	for _, d := range devices {
		kept[d.ID] = d
	}
	h.Host("devices", "get", func(request []byte) ([]byte, error) {
		var query abi.DeviceQuery
		if err := query.Decode(request); err != nil {
			return nil, err
		}
		var page abi.DevicePage
		if d, found := kept[query.ID]; found {
			page.Devices = []abi.Device{d}
		}
		return page.Append(nil), nil
	})
	h.Host("devices", "list", func(request []byte) ([]byte, error) {
		var query abi.DeviceQuery
		if err := query.Decode(request); err != nil {
			return nil, err
		}
		return list(kept, query).Append(nil), nil
	})
	for function, change := range map[string]abi.Change{
		"put": abi.ChangePut, "disconnect": abi.ChangeDisconnect, "remove": abi.ChangeRemove,
	} {
		h.Host("devices", function, func(request []byte) ([]byte, error) {
			var c abi.DeviceChange
			if err := c.Decode(request); err != nil {
				return nil, err
			}
			if _, found := kept[c.ID]; !found && change != abi.ChangePut {
				return nil, notFound("no device " + c.ID)
			}
			c.Change = change
			Apply(kept, c)
			return nil, nil
		})
	}
	return kept
}

func list(kept map[string]abi.Device, query abi.DeviceQuery) *abi.DevicePage {
	most := abi.MaxItems
	if query.Limit > 0 {
		most = min(most, int(query.Limit))
	}
	page := new(abi.DevicePage)
	for _, id := range slices.Sorted(maps.Keys(kept)) {
		switch {
		case id <= query.After:
		case len(page.Devices) == most:
			page.More = true
			return page
		default:
			page.Devices = append(page.Devices, kept[id])
		}
	}
	return page
}

// Apply makes changes to devices as a host does with those of an outcome.
func Apply(devices map[string]abi.Device, changes ...abi.DeviceChange) {
	for _, c := range changes {
		if c.Change != abi.ChangePut {
			delete(devices, c.ID)
			continue
		}
		d := devices[c.ID]
		d.ID, d.Type, d.Name = c.ID, c.Type, c.Name
		if c.Tags != nil {
			d.Tags = make([]abi.Header, len(c.Tags.Tags))
			for i, tag := range c.Tags.Tags {
				d.Tags[i] = abi.Header{Name: tag.Name, Value: slices.Clone(tag.Value)}
			}
		}
		if c.Attributes != nil {
			d.Attributes = slices.Clone(c.Attributes)
		}
		if c.Endpoint != nil {
			d.Endpoint = *c.Endpoint
		}
		if c.Config != nil {
			d.Config = slices.Clone(c.Config)
		}
		d.Hash = d.Sum()
		devices[c.ID] = d
	}
}
