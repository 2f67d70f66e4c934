package deploy

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{{What: "makes what a device needs when one is deployed; the grant names no resource", Write: "makes it; without, nothing is made"}}
}
