package serial

import "github.com/snaprail/snaprail/runtime/capability"

// Forms implements capability.Formed.
func (*Group) Forms() []capability.Form {
	return []capability.Form{
		{Resource: "/dev/port", Example: "/dev/ttyUSB0", What: "reads a serial port; a pattern such as /dev/ttyUSB* allows several", Write: "writes to it, and sets its lines"},
	}
}
