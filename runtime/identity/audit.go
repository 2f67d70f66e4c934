package identity

import (
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// MaxEvents is how many events a trail keeps. The oldest makes room.
const MaxEvents = 10_000

// The bounds of an event's texts, in bytes.
const (
	MaxDetail = 512
	maxOn     = 256
	maxWho    = 256
)

// Event is one line of an audit trail: who did what to what, and what came of
// it. It holds no secret and no config value.
type Event struct {
	// Sequence counts the events of its trail, from 1 and without a gap, so
	// that each can be bound to the one before it.
	Sequence uint64 `json:"sequence"`
	// Previous is the SHA-256, in hex, of the event before it as it is stored;
	// "": there is none.
	Previous string    `json:"previous,omitempty"`
	Time     time.Time `json:"time"` // UTC; when Count is more than 1: of the last
	Who      Who       `json:"who"`
	Action   Action    `json:"action"`
	// Tenant is whose it was done to, in the server's own trail.
	Tenant string `json:"tenant,omitempty"`
	// Connector is the id of the connector that it was done to, or that did it.
	Connector string `json:"connector,omitempty"`
	Name      string `json:"name,omitempty"`   // of that connector, then
	Module    string `json:"module,omitempty"` // digest
	// On is what else it was done to: "serial.write /dev/ttyUSB0", a token's id.
	On      string  `json:"on,omitempty"`
	Outcome Outcome `json:"outcome"`
	Code    string  `json:"code,omitempty"` // of the fault, if there was one
	// Count is how often it happened: equal events that come in a row are one.
	Count  uint64    `json:"count"`
	First  time.Time `json:"first,omitzero"` // when Count is more than 1
	Detail string    `json:"detail,omitempty"`
}

// Who did it.
type Who struct {
	Kind WhoKind `json:"kind"`
	ID   string  `json:"id,omitempty"` // of the token, of the connector; the address of nobody
	Name string  `json:"name,omitempty"`
	// User is the name of the user whose own token it is; "": a tenant's, or none.
	User string `json:"user,omitempty"`
}

// WhoKind says what an event's Who is.
type WhoKind string

// The kinds of Who.
const (
	ByToken     WhoKind = "token"     // whoever holds this API token
	ByUser      WhoKind = "user"      // this person, with a session
	ByConnector WhoKind = "connector" // the guest of this connector
	ByServer    WhoKind = "server"    // the server itself
	ByLocal     WhoKind = "local"     // a command on the server's own machine
	ByNobody    WhoKind = "nobody"    // a caller without a valid token
)

// Action is what was done, as "thing.verb".
type Action string

// The actions.
const (
	Login               Action = "login"
	Access              Action = "access" // only when it is refused
	TokenCreate         Action = "token.create"
	TokenRevoke         Action = "token.revoke"
	Logout              Action = "logout"
	UserCreate          Action = "user.create"
	UserUpdate          Action = "user.update"
	UserDelete          Action = "user.delete"
	UserPassword        Action = "user.password"
	UserLink            Action = "user.link"
	TenantCreate        Action = "tenant.create"
	TenantDelete        Action = "tenant.delete"
	ModuleUpload        Action = "module.upload"
	ModuleDelete        Action = "module.delete"
	ConnectorCreate     Action = "connector.create"
	ConnectorUpdate     Action = "connector.update"
	ConnectorDelete     Action = "connector.delete"
	ConnectorActivate   Action = "connector.activate"
	ConnectorDeactivate Action = "connector.deactivate"
	ConnectorReconnect  Action = "connector.reconnect"
	ConnectorRewind     Action = "connector.rewind" // of what it delivers
	QuarantineRetry     Action = "quarantine.retry"
	QuarantineDrop      Action = "quarantine.drop"
	ConfigReveal        Action = "config.reveal" // secret values were shown
	ConnectorTest       Action = "connector.test"
	ConnectorConnect    Action = "connector.connect" // its OAuth: begun, finished, ended
	GrantsChange        Action = "grants.change"
	LimitsChange        Action = "limits.change"
	ConsentGive         Action = "consent.give"
	CategoryCreate      Action = "category.create"
	CategoryUpdate      Action = "category.update"
	CategoryDelete      Action = "category.delete"
	ConverterSet        Action = "converter.set" // of a type: given, or taken away
	FileCreate          Action = "file.create"
	FileDelete          Action = "file.delete"
	SecretSet           Action = "secret.set"
	SecretDelete        Action = "secret.delete"
	HostCall            Action = "host.call"
	DeviceCreate        Action = "device.create"
	DeviceUpdate        Action = "device.update"
	DeviceDisconnect    Action = "device.disconnect"
	DeviceDelete        Action = "device.delete"
	DeploymentDeploy    Action = "deployment.deploy"
	DeploymentTearDown  Action = "deployment.tear_down"
	DeploymentDismiss   Action = "deployment.dismiss" // of an orphan
	DeviceSync          Action = "device.sync"        // brought in step with the platform
	DeviceWrite         Action = "device.write"       // what the interlock judged
	WriteApprove        Action = "write.approve"      // by a second person
	WriteOverride       Action = "write.override"     // of the interlock, for a while
	DeviceDesire        Action = "device.desire"      // what is wanted of a device
	SetProbe            Action = "set.probe"
	RemoteAttach        Action = "remote.attach"
	NotificationAck     Action = "notification.acknowledge"
	MessageSend         Action = "message.send" // south: a publish, an RPC, a command, attributes
)

// Outcome is what came of it.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
)

// String is who it is, for people: "laptop (token abcdefghijkl)", and of a
// user's own token "ada (laptop, token abcdefghijkl)".
func (w Who) String() string {
	what := string(w.Kind)
	if w.ID != "" {
		what += " " + w.ID
	}
	if w.Name == "" {
		return what
	}
	if w.User != "" {
		return w.User + " (" + w.Name + ", " + what + ")"
	}
	return w.Name + " (" + what + ")"
}

// bounded is the event as it is kept.
func (e Event) bounded() Event {
	e.Time = e.Time.UTC()
	if e.Count == 0 {
		e.Count = 1
	}
	e.Who.ID, e.Who.Name, e.Who.User = own(e.Who.ID, maxWho), own(e.Who.Name, maxWho), own(e.Who.User, maxWho)
	e.Name, e.On = own(e.Name, 4*maxOn), own(e.On, maxOn)
	e.Detail = own(e.Detail, MaxDetail)
	return e
}

// own is a text of at most n bytes that is part of no other, which it would
// keep in memory for as long as the event waits.
func own(text string, n int) string { return strings.Clone(fault.Clip(text, n)) }
