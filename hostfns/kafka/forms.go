package kafka

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "kafka://host:port/topic", Example: "kafka://kafka1:9092/readings", What: "reads a topic at a broker; a star stands for any characters", Write: "produces to it"},
		{Resource: "cidr:network", Example: "cidr:192.168.1.0/24", What: "opens a network of private addresses, beside the address", Beside: true},
	}
}
