package hooks

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "path:/path", Example: "path:/**", What: "takes requests at a path below the connector's own address; one star is one part, two are all the rest"},
	}
}
