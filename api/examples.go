package api

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// examples are bodies of requests, by operationId, for the document and the
// reference page. Every operation with a body of JSON has one; a test holds it
// against the schema.
func examples() map[string]string {
	const connector = `{
  "name": "boiler-3",
  "module": "5d9e3b173a70",
  "config": {"port": "/dev/ttyUSB0", "baud": 9600},
  "grants": [{"group": "serial", "resources": ["/dev/ttyUSB0"], "rights": ["read", "write"], "reason": "Reads the meter"}],
  "poll": {"interval": "5s"}
}`
	const category = `{
  "name": "printing",
  "display_name": "Printing",
  "operations": [{"name": "print", "parameters": ["document"], "optional": ["copies"]}]
}`
	return map[string]string{ //nolint:gosec // what they hold is nobody's
		"apply-documents":         `{"documents": [{"kind": "secret", "name": "pump-api"}, {"kind": "connector", "name": "boiler-3", "module": "5d9e3b173a70", "config": {"port": "/dev/ttyUSB0"}, "is_enabled": true}]}`,
		"deploy-device":           `{"type": "factory", "id": "press-1", "name": "Press 1", "tags": {"line": "3"}, "config": {"views": ["overview"]}}`,
		"create-category":         category,
		"update-category":         category,
		"call-category":           `{"to": "shift@example.com", "subject": "Boiler 3", "body": "Pressure is low"}`,
		"call-connector":          `{"path": "reports/today.txt", "data": "aGVsbG8="}`,
		"create-connector":        connector,
		"update-connector":        connector,
		"import-connector-config": `{"json_data": {"installed": {"client_id": "8314.apps.example.com", "client_secret": "s3cret"}}}`,
		"set-connector-params":    `{"params": [{"key": "host", "value": "10.0.0.7"}, {"key": "password", "value_type": "secret", "value": "s3cret"}]}`,
		"start-connector-oauth":   `{"redirect_uri": "http://127.0.0.1:49152/"}`,
		"rewind-connector-feed":   `{"to": "2026-03-01T06:00:00Z"}`,
		"retry-quarantine":        `{"positions": ["184.0", "190.3"]}`,
		"put-secret":              `{"value": "a long and random text"}`,
		"create-module":           `{"wasm": [{"data": "AGFzbQEAAAA="}], "config": {"unit": "Cel"}, "allowed_hosts": ["api.example.com"]}`,
	}
}

// exemplify puts its example into an operation's body, if it has one.
func exemplify(op *huma.Operation) {
	text, ok := examples()[op.OperationID]
	if !ok {
		text, ok = identityExamples()[op.OperationID]
	}
	if !ok {
		text, ok = messageExamples()[op.OperationID]
	}
	if !ok {
		text, ok = writeExamples()[op.OperationID]
	}
	if !ok {
		text, ok = setExamples()[op.OperationID]
	}
	if !ok {
		text, ok = deviceExamples()[op.OperationID]
	}
	if !ok {
		text, ok = converterExamples()[op.OperationID]
	}
	if !ok || op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
		return
	}
	op.RequestBody.Content["application/json"].Example = json.RawMessage(text)
}
