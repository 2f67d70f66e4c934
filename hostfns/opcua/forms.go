package opcua

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "opc.tcp://host:port", Example: "opc.tcp://plc1:4840", What: "reads, browses and subscribes at a server", Write: "writes values and calls methods"},
		{Resource: "cidr:network", Example: "cidr:192.168.1.0/24", What: "opens a network of private addresses, beside the address", Beside: true},
	}
}
