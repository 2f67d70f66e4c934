package spec

import (
	"encoding/json"
	"time"
)

// Device is a thing behind a connector. Its id is the connector's own for it;
// connector and id together are its key.
type Device struct {
	ID        string `json:"id"`        // 1 to 256 bytes, unique within the connector
	Connector string `json:"connector"` // id
	// UUID is the server's own name for the device: it is never used again, and
	// stays when the device is renamed or moved to another name.
	UUID string `json:"uuid,omitempty"`
	Type string `json:"type,omitempty"`
	Name string `json:"name"`
	// Tags are texts by name, as people and rules use them.
	Tags map[string]string `json:"tags,omitempty"`
	// Attributes are the extension attributes: an object.
	Attributes json.RawMessage `json:"attributes,omitempty"`
	// Hash is a SHA-1 in hex over what describes the device: see abi.Device.
	Hash string `json:"hash,omitempty"`
	// Endpoint is what the device is reached through, for connectors with a lane
	// for each endpoint: a port, an address.
	Endpoint string `json:"endpoint,omitempty"`
	// Config is what the connector's module must know of the device: an object.
	Config json.RawMessage `json:"config,omitempty"`
	// Poll is how often this device is asked; zero: as the connector.
	Poll Poll `json:"poll,omitzero"`
	// Converter takes the place of the connector's for this device.
	Converter *Converter `json:"converter,omitempty"`
	// AttributeUpdates say what is sent to the device when an attribute changes.
	AttributeUpdates []AttributeUpdate `json:"attribute_updates,omitempty"`
	// Mapping takes the place of the connector's for this device.
	Mapping []Mapping `json:"mapping,omitempty"`

	State DeviceState `json:"state,omitempty"`
	// Registered says whether the platform upstream knows the device as it is.
	Registered bool `json:"registered,omitempty"`
	// Known says whether the platform knows the device at all, perhaps as it was
	// earlier: what it knows has to be taken back there, too.
	Known bool `json:"known,omitempty"`
	// Held says whether the manager of the user's own keeps the device.
	Held    bool      `json:"held,omitempty"`
	Added   time.Time `json:"added"`
	Updated time.Time `json:"updated,omitzero"`
	// Revision counts changes; it is the ETag.
	Revision uint64 `json:"revision,omitempty"`
}

// DeviceState is where a device stands between here and upstream.
type DeviceState string

// The states of a device. None means DeviceConnected, as devices of a time
// before states were.
const (
	DeviceConnected    DeviceState = "connected"    // here, and served by its connector
	DeviceDisconnected DeviceState = "disconnected" // gone here, kept upstream for people to act on
	DeviceDeleted      DeviceState = "deleted"      // gone here, to be deleted upstream
)

// AttributeUpdate is one row of a device's downlink mapping.
type AttributeUpdate struct {
	Attribute string `json:"attribute" doc:"The attribute that this row is for"`
	// Template is what is sent, with ${name} for the value of the attribute.
	Template string `json:"template" doc:"What is sent, with ${name} for the value of the attribute of that name"`
}

// DeviceManager says where the devices of a connector are kept. None means
// ManagerPersistent. Any other value is the id of a connector of the category
// device_manager.
type DeviceManager string

// The managers that are built in.
const (
	ManagerPersistent DeviceManager = "persistent"
	ManagerMemory     DeviceManager = "memory" // until the server stops
)

// Own reports whether it is a connector of the user's own.
func (m DeviceManager) Own() bool { return m != "" && m != ManagerPersistent && m != ManagerMemory }

// OnChange is what a change of its config means to a connector that runs.
type OnChange string

// The ways to take a change up. None means ChangeSwap.
const (
	// ChangeSwap opens the new guest beside the old one, which then closes.
	ChangeSwap OnChange = "swap"
	// ChangeReconnect closes the old guest and then opens the new one.
	ChangeReconnect OnChange = "reconnect"
)

// Interlock bounds what may be written through a grant. The zero value lets
// nothing through: a grant without an interlock has nil.
type Interlock struct {
	// Tags are what may be written; what is not here may not.
	Tags []TagRule `json:"tags,omitempty" doc:"What may be written; what no rule is about may not, so that an interlock without rules lets nothing through"`
	// Hours are when: "Mon-Fri 06:00-18:00", in the zone; none: always.
	Hours []string `json:"hours,omitempty" doc:"When, as in Mon-Fri 06:00-18:00; none: always"`
	Zone  string   `json:"zone,omitempty" doc:"The zone of the hours, as in Europe/Berlin; none: UTC"` // IANA name; none: UTC
	// Requires are readings that must hold.
	Requires []Requirement `json:"requires,omitempty" doc:"Readings without which nothing is written"`
	// DryRun answers what would be written, and writes nothing.
	DryRun bool `json:"dry_run,omitempty" doc:"Every message is answered by what it would write, and nothing is written"`
	// SecondPerson wants somebody else's approval for each write.
	SecondPerson bool `json:"second_person,omitempty" doc:"Each write waits until another user approves it"`
	// Unasked lets writes through that no message asked for, which polling over
	// a serial line needs.
	Unasked bool `json:"unasked,omitempty" doc:"Lets the module also write what no message asked for, as polling over a serial line does; such writes are not judged"`
}

// TagRule bounds the writes to the tags that match.
type TagRule struct {
	Tag string `json:"tag" doc:"The tag, or a pattern of tags such as valve*: the name of an attribute; for a method, what it writes, or a pattern for the tag at tag_at"` // a pattern as path.Match has them
	// Method and Value say where an RPC or a command holds the value: its method,
	// and a JSON Pointer into its params. None: the message's own tag and value.
	Method string `json:"method,omitempty" doc:"The RPC or command that this rule lets through (publish, command or rpc for messages without one); none: the rule is for attributes alone"`
	Value  string `json:"value,omitempty" doc:"JSON Pointer to the value in the method's params, as in /level; none: the params as a whole"`
	// TagAt is a JSON Pointer to the tag, for a method whose params name it. None:
	// the rule's Tag is what the method writes.
	TagAt string   `json:"tag_at,omitempty" doc:"JSON Pointer to the tag in the method's params, as in /node; none: the method writes the rule's tag"`
	Min   *float64 `json:"min,omitempty" doc:"The least value; only numbers pass"`
	Max   *float64 `json:"max,omitempty" doc:"The greatest value; only numbers pass"`
	// Step is the most that a value may differ from the last one that was written
	// or read.
	Step *float64 `json:"step,omitempty" doc:"The most that it may differ from what was last written or read; while nobody knows that, it is refused"`
	// PerMinute bounds how often; 0: no bound. It counts for each tag of each device,
	// and in each connector by itself: two that write to one device have it twice.
	PerMinute float64 `json:"per_minute,omitempty" doc:"How often within any minute; 0: no bound"`
}

// Requirement is a reading without which nothing is written.
type Requirement struct {
	Device string   `json:"device,omitempty" doc:"Whose reading; none: that of the device that is written to"` // none: the device that is written to
	Tag    string   `json:"tag" doc:"The reading, as the device's twin has it"`
	Min    *float64 `json:"min,omitempty" doc:"The least that it may be"`
	Max    *float64 `json:"max,omitempty" doc:"The greatest that it may be"`
	Equals string   `json:"equals,omitempty" doc:"The text that it has to be"`
	// MaxAge is how old the reading may be; zero: a minute.
	MaxAge Duration `json:"max_age,omitempty" doc:"How old it may be; none: 1m"`
}
