package abi

import (
	"mime"
	"strings"
)

// IsJSON reports whether a body of this content type is JSON: application/json,
// or what ends in +json (RFC 6839, section 3.1), with any parameters. A body
// without a type is JSON too. Host and guest ask here, so that what the host has
// judged is what the guest reads.
func IsJSON(contentType string) bool {
	if contentType == "" || contentType == "application/json" {
		return true // what nearly all are
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}
