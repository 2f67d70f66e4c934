package udp

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "host:port", Example: "192.168.1.7:5005", What: "takes datagrams of a peer", Write: "sends to it"},
		{Resource: "cidr:network", Example: "cidr:192.168.1.0/24", What: "opens a network of private addresses, beside the address", Beside: true},
	}
}
