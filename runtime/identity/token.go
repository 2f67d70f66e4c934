package identity

import (
	"crypto/rand"
	"hash/crc32"
	"math/big"
	"strings"
)

// A token is
//
//	snr_<id>_<secret>_<sum>
//
// with an id of 12 characters (60 random bits), a secret of 32 random bytes
// and the CRC-32 (IEEE) of all before its own underscore, the last two in
// base 62, padded with zeros. The prefix lets secret scanners find it and the
// sum lets them, and us, tell a token from what only looks like one.
const (
	prefix     = "snr_"
	idLen      = 12
	secretLen  = 43 // 62^43 > 2^256
	sumLen     = 6  // 62^6 > 2^32
	tokenLen   = len(prefix) + idLen + 1 + secretLen + 1 + sumLen
	idAlphabet = "abcdefghijklmnopqrstuvwxyz234567"
)

// newToken draws a token.
func newToken() (id, token string) {
	id = strings.ToLower(rand.Text()[:idLen])
	secret := make([]byte, 32)
	rand.Read(secret) // it ends the process rather than fail
	body := prefix + id + "_" + base62(new(big.Int).SetBytes(secret), secretLen)
	return id, body + "_" + sum(body)
}

// tokenID is the id of a well-formed token.
func tokenID(token string) (id string, ok bool) {
	if len(token) != tokenLen || !strings.HasPrefix(token, prefix) {
		return "", false
	}
	body, check := token[:tokenLen-sumLen-1], token[tokenLen-sumLen-1:]
	id = token[len(prefix):][:idLen]
	ok = check == "_"+sum(body) && strings.Trim(id, idAlphabet) == ""
	return id, ok
}

func sum(body string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))), sumLen)
}

func base62(n *big.Int, width int) string {
	digits := n.Text(62)
	return strings.Repeat("0", width-len(digits)) + digits
}
