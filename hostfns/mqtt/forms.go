package mqtt

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "broker:host:port", Example: "broker:broker1:1883", What: "connects to a broker", Write: "publishes there, and leaves a will"},
		{Resource: "topic:filter", Example: "topic:plant/+/readings", What: "subscribes to what the filter covers", Write: "publishes to it", Beside: true},
		{Resource: "cidr:network", Example: "cidr:192.168.1.0/24", What: "opens a network of private addresses, beside the address", Beside: true},
	}
}
