package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// The forms of a date that a signature has.
const (
	longDate  = "20060102T150405Z"
	shortDate = "20060102"
	algorithm = "AWS4-HMAC-SHA256"
)

// signer signs requests with an access key (AWS Signature Version 4).
type signer struct {
	accessKey, secretKey, token string // token: of temporary credentials; "": none
	region, service             string
}

// signed is what of a request a signature covers. path and query are as they
// are sent, escaped; the headers are by lower-case names, host among them.
type signed struct {
	method, path string
	query        [][2]string // names and values, not escaped
	headers      map[string]string
	bodyDigest   string // SHA-256 in hex
}

// authorization is the value of the header of that name, at a time.
func (s signer) authorization(r signed, at time.Time) string {
	canonical, names := r.canonical()
	at = at.UTC()
	scope := at.Format(shortDate) + "/" + s.region + "/" + s.service + "/aws4_request"
	toSign := algorithm + "\n" + at.Format(longDate) + "\n" + scope + "\n" + hexDigest([]byte(canonical))
	signature := hex.EncodeToString(mac(s.key(at), toSign))
	return algorithm + " Credential=" + s.accessKey + "/" + scope + ",SignedHeaders=" + names + ",Signature=" + signature
}

// key is the key of one day, region and service.
func (s signer) key(at time.Time) []byte {
	key := []byte("AWS4" + s.secretKey)
	for _, part := range []string{at.Format(shortDate), s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	return key
}

// canonical is the request in the one form that both sides sign, with the names
// of the headers in it.
func (r signed) canonical() (text, names string) {
	list := make([]string, 0, len(r.headers))
	for name := range r.headers {
		list = append(list, name)
	}
	slices.Sort(list)
	names = strings.Join(list, ";")
	var b strings.Builder
	b.WriteString(r.method + "\n" + r.path + "\n" + canonicalQuery(r.query) + "\n")
	for _, name := range list {
		b.WriteString(name + ":" + strings.Join(strings.Fields(r.headers[name]), " ") + "\n")
	}
	b.WriteString("\n" + names + "\n" + r.bodyDigest)
	return b.String(), names
}

// canonicalQuery is a query sorted by its escaped names, as it is sent too.
func canonicalQuery(query [][2]string) string {
	parts := make([]string, len(query))
	for i, q := range query {
		parts[i] = escape(q[0], false) + "=" + escape(q[1], false)
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

// escape is the percent-encoding of a signature: everything but the unreserved
// characters of RFC 3986, and the slashes of a path.
func escape(text string, path bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0, path && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
