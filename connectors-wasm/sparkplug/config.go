package main

import (
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// The values of device_by and writes.
const (
	byDevice    = "device"
	byConnector = "connector"

	writesNone       = "none"
	writesAttributes = "attributes"
	writesRPC        = "rpc"
)

// config is what README.md says. Times are in seconds.
type config struct {
	URL           string  `json:"url"`
	Version       int     `json:"mqtt_version"`
	ClientID      string  `json:"client_id"`
	Username      string  `json:"username"`
	Password      string  `json:"password"`
	CA            string  `json:"ca"`
	Certificate   string  `json:"certificate"`
	Key           string  `json:"key"`
	ServerName    string  `json:"server_name"`
	AllowInsecure bool    `json:"allow_insecure"`
	KeepAlive     float64 `json:"keep_alive"`

	Group       string `json:"group"`
	Node        string `json:"node"`
	PrimaryHost string `json:"primary_host"`

	Aliases          bool              `json:"aliases"`
	DeviceBy         string            `json:"device_by"`
	NodeDevice       string            `json:"node_device"`
	DeviceTimeout    float64           `json:"device_timeout"`
	AttributesPrefix string            `json:"attributes_prefix"`
	EventsPrefix     string            `json:"events_prefix"`
	Types            map[string]string `json:"types"`

	Writes       string  `json:"writes"`
	WriteMethod  string  `json:"write_method"`
	WriteTimeout float64 `json:"write_timeout"`

	types map[string]datatype
	wild  []wildcard
}

type wildcard struct {
	prefix string
	kind   datatype
}

func readConfig(in *abi.OpenInput) (*config, error) {
	c := &config{
		Version: mqtt.V311, KeepAlive: 30, Aliases: true, DeviceBy: byDevice,
		AttributesPrefix: "Properties/", EventsPrefix: "Events/",
		Writes: writesAttributes, WriteMethod: "write", WriteTimeout: 2,
	}
	if err := snaprail.Config(in, c); err != nil {
		return nil, err
	}
	for pointer, id := range map[string]string{"/group": c.Group, "/node": c.Node, "/primary_host": c.PrimaryHost} {
		if strings.ContainsAny(id, "/+#\x00") {
			return nil, snaprail.InvalidConfig(pointer, "%q cannot stand in a topic: it holds a /, + or #", clip(id))
		}
	}
	if c.Group == "" || c.Node == "" {
		return nil, snaprail.InvalidConfig("/group", "a group and a node are required")
	}
	c.types = make(map[string]datatype, len(c.Types))
	for name, is := range c.Types {
		t := typeNamed(is)
		if t == typeUnknown {
			return nil, snaprail.InvalidConfig("/types/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), "%q is no type of Sparkplug that this node has", clip(is))
		}
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			c.wild = append(c.wild, wildcard{prefix, t})
		} else {
			c.types[name] = t
		}
	}
	return c, nil
}

// typeOf is the type that the config asks for a metric, or typeUnknown. The
// longest prefix counts.
func (c *config) typeOf(name string) datatype {
	if t, ok := c.types[name]; ok {
		return t
	}
	best, found := -1, typeUnknown
	for _, w := range c.wild {
		if len(w.prefix) > best && strings.HasPrefix(name, w.prefix) {
			best, found = len(w.prefix), w.kind
		}
	}
	return found
}

// dial is how to connect, with a will. The session is a clean one that ends with
// the connection (tck-id-principles-persistence-clean-session-311).
func (c *config) dial(a address, will mqtt.Message) mqtt.Config {
	id := c.ClientID
	if id == "" {
		id = c.Group + "/" + c.Node
	}
	subscriptions := []mqtt.Subscription{{Filter: a.topic(ncmd, ""), QoS: 1}, {Filter: a.topic(dcmd, "+"), QoS: 1}}
	if c.PrimaryHost != "" {
		subscriptions = append(subscriptions, mqtt.Subscription{Filter: stateTopic(c.PrimaryHost), QoS: 1})
	}
	return mqtt.Config{
		URL: c.URL, Version: c.Version, ClientID: id, Username: c.Username, Password: c.Password,
		CleanStart: true, KeepAlive: snaprail.Seconds(c.KeepAlive), Will: &will, Subscriptions: subscriptions,
		TLS:           mqtt.TLS{CA: c.CA, Certificate: c.Certificate, Key: c.Key, ServerName: c.ServerName},
		AllowInsecure: c.AllowInsecure,
	}
}

func clip(s string) string {
	for len(s) > 64 || !utf8.ValidString(s) && len(s) > 0 {
		s = s[:min(len(s)-1, 64)]
	}
	return s
}

// isText reports whether a payload is to be a string.
func isText(contentType string, payload []byte) bool {
	if contentType == "" || !utf8.Valid(payload) {
		return false
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasPrefix(media, "text/") || media == "application/json" || strings.HasSuffix(media, "+json"))
}
