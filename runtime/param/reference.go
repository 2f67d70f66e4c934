package param

import "strings"

// RefersToSecret reports whether a value is the name of a secret, as
// secret://mail or Bearer secret://mail, and so none itself.
func RefersToSecret(value string) bool {
	if scheme, rest, ok := strings.Cut(value, " "); ok && !strings.Contains(scheme, ":") {
		value = rest
	}
	name, ok := strings.CutPrefix(value, "secret://")
	return ok && name != "" && !strings.ContainsAny(name, " \t\r\n")
}
