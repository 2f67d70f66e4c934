package api

// writeExamples are those of twins and of interlocks.
func writeExamples() map[string]string {
	return map[string]string{
		"set-desired":     `{"desired": {"setpoint": 21.5, "mode": "auto"}}`,
		"create-override": `{"connector": "line-3", "device": "boiler-3", "tags": ["valve*"], "reason": "The pump is being serviced.", "for": "30m"}`,
	}
}
