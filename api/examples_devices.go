package api

// deviceExamples are the examples of the operations on devices.
func deviceExamples() map[string]string {
	const settings = `"type": "meter", "name": "Boiler 3", "tags": {"site": "north"}, "attributes": {"serial": "A-1"}, "endpoint": "/dev/ttyUSB0"`
	return map[string]string{
		"add-device":    `{"id": "boiler-3", ` + settings + `}`,
		"update-device": `{` + settings + `}`,
		"add-tag":       `{"tag": "floor", "value": "2"}`,
		"change-tag":    `{"value": "3"}`,
		"sync-devices":  `{"connector": "boiler-3", "timeout": "30s"}`,
	}
}
