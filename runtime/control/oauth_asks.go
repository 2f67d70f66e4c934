package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
)

// tokenServer is where a module gets its tokens, as a manifest names it: the one
// server that it reaches without a grant, and that is told the client's secret.
// "": nowhere.
func tokenServer(m *abi.Manifest) string {
	if m.OAuth == nil || m.OAuth.TokenURL == "" {
		return ""
	}
	u, err := webURL(m.OAuth.TokenURL)
	if err != nil {
		return "" // it is refused when somebody connects
	}
	return u.Scheme + "://" + u.Host
}

// tokenSentence says what a module does for its tokens; "": it has none.
func tokenSentence(m *abi.Manifest) string {
	server := tokenServer(m)
	if server == "" {
		return ""
	}
	return fmt.Sprintf("Can get tokens from %s once somebody has connected it, and send its config there, without a grant", server)
}

// tokens compares where two modules get their tokens.
func (d *Difference) tokens(old, now *abi.Manifest) {
	was, is := tokenServer(old), tokenServer(now)
	switch {
	case was == is:
	case is == "":
		d.Fewer = append(d.Fewer, fmt.Sprintf("It no longer gets tokens from %s.", was))
	default:
		d.More = append(d.More, fmt.Sprintf("It gets tokens from %s, and may send its config there, without a grant; the old one from %s.", is, orNone(was)))
	}
}

// consentKey is a digest of all that consent is about.
func consentKey(m spec.Module, groups capability.Registry) string {
	key := asksKey(asks(m, groups))
	server := tokenServer(&m.Manifest)
	if server == "" {
		return key
	}
	sum := sha256.Sum256([]byte(key + " " + server))
	return hex.EncodeToString(sum[:])
}
