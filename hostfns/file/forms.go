package file

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "/path", Example: "/var/log/plant/line.log", What: "reads a file; a pattern such as /var/log/plant/*.log allows several"},
	}
}
