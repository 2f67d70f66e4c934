package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

const headerContentDigest = "Content-Digest"

// announced is the digest that a module is said to have, in hex: by the query,
// or by Content-Digest (RFC 9530), or by both, which then agree; "": by none.
func announced(query string, h http.Header) (string, error) {
	query = strings.ToLower(query)
	fields := h.Values(headerContentDigest)
	if len(fields) == 0 {
		return query, nil
	}
	digest, err := contentDigest(strings.Join(fields, ","))
	if err != nil {
		return "", err
	}
	if query != "" && digest != "" && query != digest {
		return "", fault.New(fault.BodyInvalid, "the query says that the module's sha256 is %.80s, and %s says %s", query, headerContentDigest, digest).
			WithHint("Send one of the two.")
	}
	if digest == "" {
		digest = query
	}
	return digest, nil
}

// announcedForm is the digest by the query of a form. A Content-Digest of a form
// is of the form, and not of the module in it.
func announcedForm(query string, h http.Header) (string, error) {
	if len(h.Values(headerContentDigest)) > 0 {
		return "", fault.New(fault.BodyInvalid, "%s of a form is not checked", headerContentDigest).
			WithHint("Send it as a header of the part named module, or send ?sha256= with the module's digest in hex.")
	}
	return announced(query, nil)
}

// contentDigest is the sha-256 of a Content-Digest in hex; "": it has others
// alone. The field is a dictionary of byte sequences: sha-256=:base64:.
func contentDigest(field string) (digest string, err error) {
	for member := range strings.SplitSeq(field, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(member), "=")
		if name != "sha-256" {
			continue
		}
		value, _, _ = strings.Cut(value, ";") // parameters, of which there are none
		text, opened := strings.CutPrefix(value, ":")
		text, closed := strings.CutSuffix(text, ":")
		raw, err := base64.StdEncoding.DecodeString(text)
		if !opened || !closed || err != nil || len(raw) != sha256.Size {
			return "", fault.New(fault.BodyInvalid, "%s cannot be read: %.100q", headerContentDigest, field).
				WithHint("Send it as sha-256=:<base64>: (RFC 9530), or send ?sha256= with the digest in hex.")
		}
		digest = hex.EncodeToString(raw)
	}
	return digest, nil
}
