package spec

import (
	"bytes"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// SecretNames are the names of the secrets that a text of JSON refers to as
// secret://name, each once and in order.
func SecretNames(raw []byte) []string {
	if bytes.Contains(raw, []byte(`\/`)) {
		raw = bytes.ReplaceAll(raw, []byte(`\/`), []byte("/"))
	}
	var names []string
	for {
		_, rest, found := bytes.Cut(raw, []byte(abi.SecretPrefix))
		if !found {
			slices.Sort(names)
			return slices.Compact(names)
		}
		end := 0
		for end < len(rest) && SecretNameByte(rest[end]) {
			end++
		}
		if end > 0 {
			names = append(names, string(rest[:end]))
		}
		raw = rest[end:]
	}
}

// SecretNameByte reports whether a byte may be in the name of a secret.
func SecretNameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '.' || b == '_' || b == '-'
}
