package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// converterCategory is the category of what a gateway's device names as its
// converter.
const converterCategory = "converter"

// gatewayDevice is a device with a converter of its own, which a connector's file
// of a gateway lists.
type gatewayDevice struct {
	connector, name, kind string
	converter             gatewayConverter
}

// gatewayConverter names a converter: by its type, or by its module.
type gatewayConverter struct {
	Type   string          `json:"type"`
	Module string          `json:"module"`
	Config json.RawMessage `json:"config"`
}

// UnmarshalJSON takes a type's name alone, too, as gateways have it.
func (g *gatewayConverter) UnmarshalJSON(raw []byte) error {
	if json.Unmarshal(raw, &g.Type) == nil {
		return nil
	}
	type object gatewayConverter
	return json.Unmarshal(raw, (*object)(g))
}

// takeConverters takes the converters out of the devices of a connector's file:
// they are the host's to know, and no configuration of the module.
func takeConverters(connector, kind string, config json.RawMessage) (json.RawMessage, []gatewayDevice, error) {
	var fields map[string]json.RawMessage
	var devices []map[string]json.RawMessage
	if json.Unmarshal(config, &fields) != nil || json.Unmarshal(fields["devices"], &devices) != nil {
		return config, nil, nil //nolint:nilerr // the server says what is wrong with it
	}
	var own []gatewayDevice
	for _, d := range devices {
		raw, ok := d["converter"]
		if !ok {
			continue
		}
		delete(d, "converter")
		g := gatewayDevice{connector: connector, kind: kind}
		if err := json.Unmarshal(raw, &g.converter); err != nil {
			return nil, nil, fault.Wrap(fault.Usage, err, "the converter of a device of %s", connector)
		}
		var named string
		if json.Unmarshal(d["type"], &named) == nil {
			g.kind = cmp.Or(named, kind)
		}
		if json.Unmarshal(d["name"], &g.name) == nil && g.name != "" {
			own = append(own, g)
		}
	}
	if len(own) == 0 {
		return config, nil, nil
	}
	var err error
	if fields["devices"], err = json.Marshal(devices); err == nil {
		config, err = json.Marshal(fields)
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "documents")
	}
	return config, own, nil
}

// addDevices adds the devices of gateways whose connectors are there now, each
// with its converter, and says of those that it could not add.
func (a *app) addDevices(ctx context.Context, api *client.Client, docs *documentSet, failed map[string]bool) {
	for _, g := range docs.devices {
		if failed[g.connector] {
			continue // there is nobody to serve it
		}
		err := a.addDevice(ctx, api, &g)
		if f := fault.Of(err); f != nil {
			docs.notes = append(docs.notes, fmt.Sprintf("device %s of %s: %s", g.name, g.connector, f.Text))
			continue
		}
		fmt.Fprintf(a.err, "device %s of %s has its converter\n", visible(g.name), visible(g.connector))
	}
}

func (a *app) addDevice(ctx context.Context, api *client.Client, g *gatewayDevice) error {
	converter, err := converterOf(ctx, api, &g.converter)
	if err != nil {
		return err
	}
	in := client.DeviceInput{ID: g.name, Type: g.kind, Name: g.name, Converter: converter}
	_, err = api.AddDevice(ctx, g.connector, in, client.Patience{NoWait: true})
	if !fault.Is(err, fault.Exists) {
		return err
	}
	d, err := api.Device(ctx, g.connector, g.name)
	if err != nil {
		return err
	}
	_, err = api.UpdateDevice(ctx, g.connector, g.name, client.DeviceInput{
		Type: d.Type, Name: d.Name, Tags: d.Tags, Attributes: d.Attributes, Endpoint: d.Endpoint, Config: d.Config,
		Poll: d.Poll, Converter: converter, AttributeUpdates: d.AttributeUpdates,
	}, client.Patience{NoWait: true})
	return err
}

// converterOf finds the module of a converter's type.
func converterOf(ctx context.Context, api *client.Client, g *gatewayConverter) (*spec.Converter, error) {
	if g.Module != "" {
		return &spec.Converter{Module: g.Module, Config: g.Config}, nil
	}
	category, provider := converterCategory, g.Type
	if before, after, ok := strings.Cut(g.Type, "/"); ok {
		category, provider = before, after
	}
	t, err := api.Type(ctx, category, provider)
	if err != nil {
		return nil, err
	}
	return &spec.Converter{Module: t.Module, Config: g.Config}, nil
}
