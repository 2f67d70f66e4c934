package device

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The categories whose connectors stand between the book and what is outside.
const (
	// CategoryPlatform is of connectors to a platform that has to know of devices.
	// The tenant's default connector of it is upstream.
	CategoryPlatform = "platform"
	// CategoryManager is of connectors that keep devices for others.
	CategoryManager = "device_manager"
)

// Manager keeps the devices of one connector, in a way of the user's own. An
// error of the kind fault.NotFound says that there is no such device, and
// fault.Exists that there is one already.
type Manager interface {
	Add(ctx context.Context, d *spec.Device) error
	Update(ctx context.Context, d *spec.Device) error
	Remove(ctx context.Context, id string) error
	Get(ctx context.Context, id string) (spec.Device, error)
	// Devices are all of them.
	Devices(ctx context.Context) ([]spec.Device, error)
}

// Upstream is the platform, for the devices of one connector. Its errors are as
// Manager's.
type Upstream interface {
	Register(ctx context.Context, d *spec.Device) error
	Update(ctx context.Context, d *spec.Device) error
	// Disconnect leaves the device there, for people to act on.
	Disconnect(ctx context.Context, d *spec.Device) error
	Delete(ctx context.Context, d *spec.Device) error
	// Devices is what the platform knows: of each device the id, the hash and the
	// state.
	Devices(ctx context.Context) ([]spec.Device, error)
}

// Outside is what the devices of one connector are kept in step with.
type Outside struct {
	Manager  Manager  // nil: the book itself
	Upstream Upstream // nil: there is no platform
	// Types are those that the connector's module serves; none: any.
	Types []string
}

// CheckType refuses a device of a type that the connector's module does not
// serve.
func (o Outside) CheckType(d *spec.Device) error {
	if len(o.Types) == 0 || slices.Contains(o.Types, d.Type) {
		return nil
	}
	return fault.New(fault.Invalid, "device %.64q has the type %.64q, which the connector's module does not serve", d.ID, d.Type).
		WithHint("It serves: %s.", strings.Join(o.Types, ", "))
}

// Document is a device as managers and platforms get it and answer it, in JSON.
type Document struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Name       string            `json:"name"`
	UUID       string            `json:"uuid,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Attributes json.RawMessage   `json:"attributes,omitempty"`
	Endpoint   string            `json:"endpoint,omitempty"` // managers alone
	Config     json.RawMessage   `json:"config,omitempty"`   // managers alone
	Hash       string            `json:"hash,omitempty"`
	State      spec.DeviceState  `json:"state,omitempty"`
}

// ForManager is all that a manager must keep of a device.
func ForManager(d *spec.Device) Document {
	doc := ForUpstream(d)
	doc.Endpoint, doc.Config = d.Endpoint, d.Config
	return doc
}

// ForUpstream is what describes a device to the platform: not how it is reached.
func ForUpstream(d *spec.Device) Document {
	return Document{
		ID: d.ID, Type: d.Type, Name: d.Name, UUID: d.UUID, Tags: d.Tags, Attributes: d.Attributes, Hash: d.Hash, State: d.State,
	}
}

// Device is the document as a device of a connector.
func (doc *Document) Device(connector string) spec.Device {
	return spec.Device{
		Connector: connector, ID: doc.ID, Type: doc.Type, Name: doc.Name, UUID: doc.UUID, Tags: doc.Tags,
		Attributes: doc.Attributes, Endpoint: doc.Endpoint, Config: doc.Config, Hash: doc.Hash, State: doc.State,
	}
}

// ReadDevice reads one document; null is fault.NotFound.
func ReadDevice(raw []byte, connector string) (spec.Device, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return spec.Device{}, fault.New(fault.NotFound, "there is no such device")
	}
	var doc Document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return spec.Device{}, fault.Wrap(fault.Guest, err, "the answer is no device")
	}
	return doc.Device(connector), nil
}

// ReadDevices reads a list of documents, or an object of them by id. Null is none.
func ReadDevices(raw []byte, connector string) ([]spec.Device, error) {
	var docs []Document
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0 || string(raw) == "null":
	case raw[0] == '[':
		if err := json.Unmarshal(raw, &docs); err != nil {
			return nil, fault.Wrap(fault.Guest, err, "the answer is no list of devices")
		}
	default:
		var byID map[string]Document
		if err := json.Unmarshal(raw, &byID); err != nil {
			return nil, fault.Wrap(fault.Guest, err, "the answer is no list of devices, and no object of them by id")
		}
		for id, doc := range byID {
			if doc.ID == "" {
				doc.ID = id
			}
			if doc.ID != id {
				return nil, fault.New(fault.Guest, "the answer has the device %.64q under the id %.64q", doc.ID, id)
			}
			docs = append(docs, doc)
		}
	}
	if len(docs) > MaxDevices {
		return nil, fault.New(fault.TooLarge, "the answer has %d devices, and %d are taken", len(docs), MaxDevices)
	}
	list := make([]spec.Device, len(docs))
	for i := range docs {
		if docs[i].ID == "" {
			return nil, fault.New(fault.Guest, "the answer has a device without an id")
		}
		list[i] = docs[i].Device(connector)
	}
	slices.SortFunc(list, func(a, b spec.Device) int { return strings.Compare(a.ID, b.ID) })
	for i := 1; i < len(list); i++ {
		if list[i].ID == list[i-1].ID {
			return nil, fault.New(fault.Guest, "the answer has the device %.64q twice", list[i].ID)
		}
	}
	return list, nil
}

// described is the hash of what a manager or a platform answered: the one that
// it gives, or that of what it describes.
func described(d *spec.Device) string {
	if d.Hash != "" {
		return d.Hash
	}
	of := abi.Device{ID: d.ID, Type: d.Type, Name: d.Name, Attributes: d.Attributes}
	for _, name := range sorted(d.Tags) {
		of.Tags = append(of.Tags, abi.Header{Name: name, Value: []byte(d.Tags[name])})
	}
	return of.Sum()
}
