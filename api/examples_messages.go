package api

// messageExamples are those of the messages.
func messageExamples() map[string]string {
	return map[string]string{
		"send-publish":    `{"device": "boiler-3", "data": {"text": "Maintenance at noon"}}`,
		"send-query":      `{"params": {"from": "2026-01-01", "to": "2026-02-01"}, "timeout": "30s"}`,
		"send-rpc":        `{"device": "boiler-3", "data": {"id": 1, "method": "toggle_gpio", "params": {"pin": 1}}}`,
		"send-command":    `{"device": "boiler-3", "method": "set_level", "protocol_parts": [{"name": "metadata", "value": {"unit": "percent"}}, {"name": "data", "value": {"level": 70}}]}`,
		"send-attributes": `{"device": "boiler-3", "data": {"brightness": 40}, "wait": false, "callback": "https://hooks.example.com/done", "context": {"order": 4711}}`,
	}
}
