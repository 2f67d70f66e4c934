package http

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "https://host/path", Example: "https://*.example.com/v1/*", What: "reads (GET, HEAD, OPTIONS) below a URL; a star stands for a host's first label or a part of the path, at the end for all that follows", Write: "sends with all other methods"},
		{Resource: "cidr:network", Example: "cidr:192.168.1.0/24", What: "opens a network of private addresses, beside the address", Beside: true},
	}
}
