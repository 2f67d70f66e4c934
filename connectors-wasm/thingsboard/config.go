package main

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// byConnector is the value of device_by that puts the connector's name first.
const byConnector = "connector"

// The ways to log in.
const (
	loginToken = "token"
	loginBasic = "basic"
	loginX509  = "x509"
)

// config is what README.md says. Times are in seconds.
type config struct {
	URL           string  `json:"url"`
	Version       int     `json:"mqtt_version"`
	Login         string  `json:"login"`
	AccessToken   string  `json:"access_token"`
	ClientID      string  `json:"client_id"`
	Username      string  `json:"username"`
	Password      string  `json:"password"`
	CA            string  `json:"ca"`
	Certificate   string  `json:"certificate"`
	Key           string  `json:"key"`
	ServerName    string  `json:"server_name"`
	AllowInsecure bool    `json:"allow_insecure"`
	KeepAlive     float64 `json:"keep_alive"`

	DeviceBy      string            `json:"device_by"`
	DeviceType    string            `json:"device_type"`
	DeviceTypes   map[string]string `json:"device_types"`
	DeviceTimeout float64           `json:"device_timeout"`
	DropBad       bool              `json:"drop_bad"`
	MaxPayload    int               `json:"max_payload"`

	SharedAttributes []string `json:"shared_attributes"`
	RPCTimeout       float64  `json:"rpc_timeout"`
}

func readConfig(in *abi.OpenInput) (*config, error) {
	c := &config{
		Version: mqtt.V311, Login: loginToken, KeepAlive: 30, DeviceBy: "device", DeviceType: "default",
		MaxPayload: 60_000, RPCTimeout: 3,
	}
	if err := snaprail.Config(in, c); err != nil {
		return nil, err
	}
	switch {
	case c.Login == loginToken && c.AccessToken == "":
		return nil, snaprail.InvalidConfig("/access_token", "the login by token needs one")
	case c.Login == loginBasic && c.ClientID == "" && c.Username == "":
		return nil, snaprail.InvalidConfig("/username", "the basic login needs a client id or a user")
	case c.Login == loginX509 && (c.Certificate == "" || c.Key == ""):
		return nil, snaprail.InvalidConfig("/certificate", "the login by X.509 needs a certificate and its key")
	}
	return c, nil
}

// dial is how to connect. An access token is the name of the user.
func (c *config) dial(subscriptions ...mqtt.Subscription) mqtt.Config {
	user, password := c.Username, c.Password
	if c.Login == loginToken {
		user, password = c.AccessToken, ""
	}
	return mqtt.Config{
		URL: c.URL, Version: c.Version, ClientID: c.ClientID, Username: user, Password: password,
		CleanStart: true, KeepAlive: snaprail.Seconds(c.KeepAlive), Subscriptions: subscriptions,
		TLS:           mqtt.TLS{CA: c.CA, Certificate: c.Certificate, Key: c.Key, ServerName: c.ServerName},
		AllowInsecure: c.AllowInsecure,
	}
}

// typeOf is the type of a device: its own, or that of its connector, or the one of
// all.
func (c *config) typeOf(connector, device string) string {
	for _, name := range []string{device, connector} {
		if t := c.DeviceTypes[name]; t != "" {
			return t
		}
	}
	return c.DeviceType
}
