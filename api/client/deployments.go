package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// DeviceDocument says of a device what is to be deployed for it.
type DeviceDocument struct {
	UUID       string            `json:"uuid,omitempty" maxLength:"128" doc:"Names the device for good; none: one is made"`
	Type       string            `json:"type" minLength:"1" maxLength:"130" doc:"Provider type of the connector that deploys, alone or behind its category (telemetry/factory)"`
	Connector  string            `json:"connector,omitempty" maxLength:"1024" doc:"Name or id of the one that deploys; none: the only one of the type, or the default of its category"`
	ID         string            `json:"id" minLength:"1" maxLength:"256"`
	Name       string            `json:"name,omitempty" maxLength:"512" doc:"None: the id"`
	DeviceType string            `json:"device_type,omitempty" maxLength:"512"`
	Tags       map[string]string `json:"tags,omitempty"`
	Attributes json.RawMessage   `json:"attributes,omitempty" doc:"An object of at most 16 KiB"`
	Endpoint   string            `json:"endpoint,omitempty" maxLength:"512"`
	Config     json.RawMessage   `json:"config,omitempty" doc:"An object that stands over the connector's config, field by field; both together are what the schema of its module wants. A secret is named: secret://NAME"`
}

// Deployment is what was set up for one device.
type Deployment struct {
	UUID        string             `json:"uuid"`
	Device      string             `json:"device" doc:"Its id"`
	Name        string             `json:"name,omitempty"`
	Category    string             `json:"category"`
	Type        string             `json:"type"`
	Connector   string             `json:"connector" doc:"Id of the one that deploys"`
	State       string             `json:"state" enum:"deploying,deployed,failed,tearing_down,torn_down"`
	Running     bool               `json:"running" doc:"Whether it is being deployed or torn down now"`
	Changed     bool               `json:"changed" doc:"Whether this call has changed anything"`
	Interrupted bool               `json:"interrupted,omitempty" doc:"The server was stopped in the middle of it"`
	Problem     *DeploymentProblem `json:"problem,omitempty" doc:"Why the last run failed, or the module's tear_down did"`
	Resources   []DeployedResource `json:"resources" doc:"In the order in which they were made"`
	Answer      json.RawMessage    `json:"answer,omitempty" doc:"What the module's deploy answered"`
	Document    json.RawMessage    `json:"document" doc:"What was asked for"`
	Created     time.Time          `json:"created"`
	Updated     time.Time          `json:"updated"`
	Revision    uint64             `json:"revision"`
}

// DeploymentProblem is why a run failed.
type DeploymentProblem struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// DeployedResource is one line of a deployment's ledger.
type DeployedResource struct {
	Number   uint64    `json:"number" doc:"Its own within the deployment, for good"`
	Kind     string    `json:"kind" enum:"connector,device,http,topic,note,tear_down"`
	Name     string    `json:"name"`
	Standing string    `json:"standing" enum:"intended,made,orphan" doc:"intended: it may be there; orphan: it should be gone, and may be there"`
	ID       string    `json:"id,omitempty" doc:"Of a connector or a device"`
	Status   uint32    `json:"status,omitempty" doc:"What the server answered that made it"`
	Makes    string    `json:"makes,omitempty" doc:"The request that makes it, by method and URL"`
	Unmakes  string    `json:"unmakes,omitempty" doc:"The request that takes it away"`
	Reason   string    `json:"reason,omitempty" doc:"Why it is an orphan, and what a person has to do"`
	At       time.Time `json:"at"`
}

// DeploymentOrphan is a resource that may be there and should not.
type DeploymentOrphan struct {
	UUID      string `json:"uuid"`
	Device    string `json:"device"`
	Connector string `json:"connector"`
	DeployedResource
}

// Deploy makes what a device needs, or makes what is there what it needs.
func (c *Client) Deploy(ctx context.Context, doc json.RawMessage) (d Deployment, err error) {
	r := call{method: http.MethodPost, path: "/api/deployments"}
	r.body, r.kind = jsonBody(doc)
	err = c.do(ctx, r, &d)
	return d, err
}

// Deployments lists all deployments.
func (c *Client) Deployments(ctx context.Context) ([]Deployment, error) {
	return all[Deployment](ctx, c, "/api/deployments", nil)
}

// Deployment shows a deployment, by uuid or device.
func (c *Client) Deployment(ctx context.Context, id string) (d Deployment, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: deploymentPath(id)}, &d)
	return d, err
}

// TearDown takes down what was made for a device. What is left is in the answer.
func (c *Client) TearDown(ctx context.Context, id string) (d Deployment, err error) {
	err = c.do(ctx, call{method: http.MethodDelete, path: deploymentPath(id), header: whichever()}, &d)
	return d, err
}

// RetryDeployment tries again what has failed.
func (c *Client) RetryDeployment(ctx context.Context, id string) (d Deployment, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: deploymentPath(id) + "/retry"}, &d)
	return d, err
}

// Orphans lists what may be there of all deployments and should not.
func (c *Client) Orphans(ctx context.Context) ([]DeploymentOrphan, error) {
	return all[DeploymentOrphan](ctx, c, "/api/deployments/orphans", nil)
}

// DismissOrphan forgets an orphan that a person has seen to.
func (c *Client) DismissOrphan(ctx context.Context, id string, number uint64) (d Deployment, err error) {
	path := deploymentPath(id) + "/orphans/" + strconv.FormatUint(number, 10)
	err = c.do(ctx, call{method: http.MethodDelete, path: path, header: whichever()}, &d)
	return d, err
}

func deploymentPath(id string) string { return "/api/deployments/" + url.PathEscape(id) }
