package api

// identityExamples are examples of who may do what.
func identityExamples() map[string]string {
	const user = `{"name": "ada", "role": "operator"}`
	return map[string]string{ //nolint:gosec // of examples
		"login":             `{"tenant": "default", "name": "ada", "password": "correct horse battery"}`,
		"set-up":            `{"link": "snl_first_1x2y", "name": "ada", "password": "correct horse battery"}`,
		"change-password":   `{"old": "correct horse battery", "password": "staple of the horse"}`,
		"create-user":       user,
		"invite-user":       `{"name": "ada", "role": "admin"}`,
		"update-user":       `{"role": "viewer"}`,
		"set-user-password": `{"password": "correct horse battery"}`,
		"create-token":      `{"name": "dashboard", "role": "viewer", "scopes": ["stream", "connectors:read"], "expires": "2099-12-31T00:00:00Z"}`,
		"create-tenant":     `{"id": "plant-7", "ceiling": {"memory_bytes": 1073741824, "quota": {"connectors": 50}}}`,
		"set-ceiling": `{
  "memory_bytes": 1073741824,
  "quota": {"connectors": 50, "requests_per_minute": 600},
  "grantable": [{"group": "http", "resources": ["https://api.example.com/*"], "rights": ["read"]}]
}`,
	}
}
