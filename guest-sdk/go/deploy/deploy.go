// Package deploy makes what a device needs elsewhere (group deploy), and is of use
// in Deploy and TearDown alone. The host writes down each resource before it makes
// it, with how to take it away again, and does that itself: when Deploy fails, and
// when the device is torn down, whether the guest has a TearDown or not.
//
// Each resource has a name, unique among those of its kind in the deployment. To
// ask for one that is there as it is asked for changes nothing; to ask for another
// changes it; and what Deploy does not ask for any more is taken down when it has
// returned. So Deploy says everything that the device needs, each time.
//
//	press, err := deploy.Connector(&abi.DeployConnector{Name: "press 1", Category: "protocol", ProviderType: "opcua"})
//	err = deploy.Device("press 1", &abi.Device{ID: "p1", Type: "press", Name: "Press 1"})
package deploy

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Connector makes a connector that belongs to the deployment, and starts it. Its
// grants lie within those of the connector that deploys. The answer holds its id.
func Connector(c *abi.DeployConnector) (abi.Deployed, error) {
	return done(hostConnector(c.Append(hostcall.Request())))
}

// Device registers a device with the deployment's connector of this name, or with
// the one that deploys when that is "".
func Device(connector string, d *abi.Device) (abi.Deployed, error) {
	return done(hostDevice((&abi.DeployDevice{Connector: connector, Device: d}).Append(hostcall.Request())))
}

// HTTP has the host send a request that makes something, under the connector's
// grants for http, and keeps the one that takes it away again: see
// abi.DeployHTTP. An answer other than 2xx is an error.
func HTTP(name string, create, inverse *abi.HTTPRequest) (abi.Deployed, error) {
	return done(hostHTTP((&abi.DeployHTTP{Name: name, Create: create, Inverse: inverse}).Append(hostcall.Request())))
}

// Topic makes a topic of Kafka in a cluster that is granted to the connector for
// kafka, to write. One that was there before is used as it is, and stays when the
// device is torn down; one that was made goes then, with all that it holds. Hosts
// without Kafka answer unsupported.
func Topic(t *abi.DeployTopic) (abi.Deployed, error) {
	return done(hostTopic(t.Append(hostcall.Request())))
}

// Note keeps a text about something that the host cannot take down: it is listed
// for a person to do so.
func Note(name, text string) error {
	_, err := done(hostNote((&abi.DeployNote{Name: name, Text: text}).Append(hostcall.Request())))
	return err
}

// done reads an answer. Its body is valid until the next host call.
func done(reply []byte, err error) (d abi.Deployed, _ error) {
	if err != nil {
		return d, err
	}
	return d, d.Decode(reply)
}
