package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// DeployConnector is the request of snaprail:deploy connector; Deployed answers
// it and the others of the group.
type DeployConnector struct {
	Name         string
	Category     string
	ProviderType string
	Version      string // empty: the newest
	Config       []byte // JSON; empty: none
	Grants       []DeployGrant
	Draft        bool // it is made, and not started
}

// DeployGrant is a grant of a connector that is deployed.
type DeployGrant struct {
	Group     string
	Resources []string
	Rights    []string // none: read
}

// DeployDevice is the request of snaprail:deploy device.
type DeployDevice struct {
	// Connector is the name of one of the deployment's; empty: the one that
	// deploys.
	Connector string
	// Device is what the device is; its uuid, hash and state are the host's.
	Device *Device
}

// DeployHTTP is the request of snaprail:deploy http: a request that makes
// something, and the one that takes it away again.
type DeployHTTP struct {
	Name   string
	Create *HTTPRequest
	// Inverse is sent when the resource is taken down. In its URL and its body,
	// ${/pointer} stands for the value there of the JSON that Create was answered.
	Inverse *HTTPRequest
}

// DeployTopic is the request of snaprail:deploy topic.
type DeployTopic struct {
	Name        string
	Partitions  uint32
	Replication uint32
	Settings    []Header
	// Cluster is where it is made, with the login, as for KafkaOpen; its topic is
	// Name, whatever it says.
	Cluster *KafkaOpen
}

// DeployNote is the request of snaprail:deploy note: of something that a person
// has to take down.
type DeployNote struct {
	Name string
	Text string
}

// Deployed is the answer of all of the group.
type Deployed struct {
	ID      string // of a connector or a device
	Existed bool   // it was so already, and nothing was done
	Status  uint32 // of an HTTP resource
	Body    []byte // what its create answered, up to MaxDeployedBody
}

// MaxDeployedBody bounds what is kept of the answer that made an HTTP resource,
// in bytes.
const MaxDeployedBody = 4 << 10

// Append adds the encoded request to dst.
func (c *DeployConnector) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, c.Name)
	dst = wire.AppendString(dst, 2, c.Category)
	dst = wire.AppendString(dst, 3, c.ProviderType)
	dst = wire.AppendString(dst, 4, c.Version)
	dst = wire.AppendBytes(dst, 5, c.Config)
	var mark int
	for i := range c.Grants {
		dst, mark = wire.Begin(dst, 6)
		dst = wire.End(c.Grants[i].append(dst), mark)
	}
	return wire.AppendBool(dst, 7, c.Draft)
}

// Decode reads the encoded request into c. Config aliases src.
func (c *DeployConnector) Decode(src []byte) error {
	*c = DeployConnector{Grants: c.Grants[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			c.Name = r.Text("")
		case 2<<3 | wire.Bytes:
			c.Category = r.Text("")
		case 3<<3 | wire.Bytes:
			c.ProviderType = r.Text("")
		case 4<<3 | wire.Bytes:
			c.Version = r.Text("")
		case 5<<3 | wire.Bytes:
			c.Config = r.Bytes()
		case 6<<3 | wire.Bytes:
			if n := len(c.Grants); hasRoom(&r, "grants", n, MaxHeaders) {
				c.Grants = append(c.Grants, DeployGrant{})
				r.Fail(at("grant", n, c.Grants[n].decode(r.Bytes())))
			}
		case 7<<3 | wire.Varint:
			c.Draft = r.Bool()
		}
	}
	return r.Err()
}

func (g *DeployGrant) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, g.Group)
	dst = appendStrings(dst, 2, g.Resources)
	return appendStrings(dst, 3, g.Rights)
}

func (g *DeployGrant) decode(src []byte) error {
	*g = DeployGrant{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			g.Group = r.Text("")
		case 2<<3 | wire.Bytes:
			g.Resources = readString(&r, "resources", g.Resources)
		case 3<<3 | wire.Bytes:
			g.Rights = readString(&r, "rights", g.Rights)
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (d *DeployDevice) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, d.Connector)
	if d.Device == nil {
		return dst
	}
	dst, mark := wire.Begin(dst, 2)
	return wire.End(d.Device.Append(dst), mark)
}

// Decode reads the encoded request into d. The byte slices of the device alias
// src.
func (d *DeployDevice) Decode(src []byte) error {
	*d = DeployDevice{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			d.Connector = r.Text("")
		case 2<<3 | wire.Bytes:
			d.Device = orNew(d.Device)
			r.Fail(d.Device.merge(r.Bytes()))
		}
	}
	return r.Err()
}

// orNew is a message that a repeated field goes on with.
func orNew[T any](m *T) *T {
	if m == nil {
		return new(T)
	}
	return m
}

// Append adds the encoded request to dst.
func (h *DeployHTTP) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, h.Name)
	var mark int
	for i, q := range [...]*HTTPRequest{h.Create, h.Inverse} {
		if q != nil {
			dst, mark = wire.Begin(dst, 2+i)
			dst = wire.End(q.Append(dst), mark)
		}
	}
	return dst
}

// Decode reads the encoded request into h. The byte slices of its requests alias
// src.
func (h *DeployHTTP) Decode(src []byte) error {
	*h = DeployHTTP{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			h.Name = r.Text("")
		case 2<<3 | wire.Bytes:
			h.Create = orNew(h.Create)
			r.Fail(h.Create.merge(r.Bytes()))
		case 3<<3 | wire.Bytes:
			h.Inverse = orNew(h.Inverse)
			r.Fail(h.Inverse.merge(r.Bytes()))
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (t *DeployTopic) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, t.Name)
	dst = wire.AppendUint(dst, 2, uint64(t.Partitions))
	dst = wire.AppendUint(dst, 3, uint64(t.Replication))
	dst = appendHeaders(dst, 4, t.Settings)
	if t.Cluster != nil {
		var mark int
		dst, mark = wire.Begin(dst, 5)
		dst = wire.End(t.Cluster.Append(dst), mark)
	}
	return dst
}

// Decode reads the encoded request into t. The values of its settings alias src.
func (t *DeployTopic) Decode(src []byte) error {
	*t = DeployTopic{Settings: t.Settings[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			t.Name = r.Text("")
		case 2<<3 | wire.Varint:
			t.Partitions = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			t.Replication = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			t.Settings = readHeader(&r, t.Settings)
		case 5<<3 | wire.Bytes:
			t.Cluster = orNew(t.Cluster)
			r.Fail(t.Cluster.merge(r.Bytes()))
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (n *DeployNote) Append(dst []byte) []byte {
	return wire.AppendString(wire.AppendString(dst, 1, n.Name), 2, n.Text)
}

// Decode reads the encoded request into n.
func (n *DeployNote) Decode(src []byte) error {
	*n = DeployNote{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			n.Name = r.Text("")
		case 2<<3 | wire.Bytes:
			n.Text = r.Text("")
		}
	}
	return r.Err()
}

// Append adds the encoded answer to dst.
func (d *Deployed) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, d.ID)
	dst = wire.AppendBool(dst, 2, d.Existed)
	dst = wire.AppendUint(dst, 3, uint64(d.Status))
	return wire.AppendBytes(dst, 4, d.Body)
}

// Decode reads the encoded answer into d. Body aliases src.
func (d *Deployed) Decode(src []byte) error {
	*d = Deployed{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			d.ID = r.Text("")
		case 2<<3 | wire.Varint:
			d.Existed = r.Bool()
		case 3<<3 | wire.Varint:
			d.Status = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			d.Body = r.Bytes()
		}
	}
	return r.Err()
}
