package connectors

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "name", Example: "mixer", What: "asks another connector of the tenant (queries)", Write: "sends it commands, attributes and messages"},
	}
}
