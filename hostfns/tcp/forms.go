package tcp

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "host:port", Example: "plc1:502", What: "connects, and reads what comes", Write: "writes to it"},
		{Resource: "cidr:network", Example: "cidr:192.168.1.0/24", What: "opens a network of private addresses, beside the address", Beside: true},
	}
}
