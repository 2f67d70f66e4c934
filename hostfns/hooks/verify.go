package hooks

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what some services sign with; HMAC with it still holds
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// piece is a part of what is signed.
type piece struct {
	kind int
	text string // of a literal, or the name of a header
}

const (
	pieceLiteral = iota
	pieceBody
	pieceTimestamp
	pieceHeader
)

// parseSigned reads a template such as "v0:{timestamp}:{body}".
func parseSigned(text string) (list []piece, err error) {
	body := false
	for text != "" {
		before, after, found := strings.Cut(text, "{")
		if before != "" {
			list = append(list, piece{pieceLiteral, before})
		}
		if !found {
			break
		}
		word, left, closed := strings.Cut(after, "}")
		name, isHeader := strings.CutPrefix(word, "header:")
		switch {
		case closed && word == "body":
			list, body = append(list, piece{kind: pieceBody}), true
		case closed && word == "timestamp":
			list = append(list, piece{kind: pieceTimestamp})
		case closed && isHeader && isToken(name):
			list = append(list, piece{pieceHeader, textproto.CanonicalMIMEHeaderKey(name)})
		default:
			return nil, invalid("signed holds {body}, {timestamp} and {header:NAME}, and not %q", "{"+word)
		}
		text = left
	}
	if !body || len(list) > 16 {
		return nil, invalid("signed holds {body}, or what was sent is not what was signed")
	}
	return list, nil
}

func hashOf(name string) func() hash.Hash {
	switch name {
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sha512":
		return sha512.New
	}
	return nil
}

// proof is what a session checks requests by.
type proof struct {
	secret   []byte
	username []byte
	password []byte
}

// Why a request is not let in, as a name in counts.
const (
	letIn          = ""
	wrongSignature = "wrong_signature"
	staleTimestamp = "stale_timestamp"
	wrongLogin     = "wrong_login"
)

// seal is the beginning of the signature that a request was let in by. Nobody makes
// another one without the key. The zero one: it is not signed.
type seal [16]byte

// verify says whether a request may come in, and if not, why. What decides is
// compared in constant time, and a header that decides stands in the request once:
// who sees the first of two does not see what was checked.
func (s *settings) verify(r *http.Request, body []byte, p *proof, now time.Time) (why string, by seal) {
	switch s.args.Auth {
	case authHMAC:
		return s.verifyHMAC(r, body, p, now)
	case authBearer:
		return s.verifyBearer(r, p), seal{}
	case authBasic:
		username, password, ok := r.BasicAuth()
		right := sameText([]byte(username), p.username) & sameText([]byte(password), p.password)
		if !ok || len(r.Header["Authorization"]) != 1 || right != 1 {
			return wrongLogin, seal{}
		}
	}
	return letIn, seal{}
}

func (s *settings) verifyBearer(r *http.Request, p *proof) string {
	values := r.Header[s.args.Header]
	if len(values) != 1 {
		return wrongLogin
	}
	token := values[0]
	if s.args.Header == "Authorization" && s.args.Prefix == "" {
		scheme, rest, found := strings.Cut(token, " ")
		if !found || !strings.EqualFold(scheme, "Bearer") {
			return wrongLogin
		}
		token = strings.TrimLeft(rest, " ")
	}
	token, ok := strings.CutPrefix(token, s.args.Prefix)
	if sameText([]byte(token), p.secret) != 1 || !ok {
		return wrongLogin
	}
	return letIn
}

// sameText compares in a time that says nothing of either, their lengths neither.
func sameText(a, b []byte) int {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// maxSignatures bounds the signatures of one request: a service that changes its
// key sends one with each.
const maxSignatures = 8

func (s *settings) verifyHMAC(r *http.Request, body []byte, p *proof, now time.Time) (why string, by seal) {
	values := r.Header[s.args.Header]
	if len(values) != 1 {
		return wrongSignature, seal{}
	}
	signatures, stamp := s.signatures(values[0])
	if s.args.Timestamp != "" && s.args.Field == "" {
		stamps := r.Header[s.args.Timestamp]
		if len(stamps) != 1 {
			return wrongSignature, seal{}
		}
		stamp = stamps[0]
	}
	mac := hmac.New(hashOf(s.args.Algorithm), p.secret)
	for _, part := range s.signed {
		switch part.kind {
		case pieceLiteral:
			_, _ = io.WriteString(mac, part.text)
		case pieceBody:
			_, _ = mac.Write(body)
		case pieceTimestamp:
			_, _ = io.WriteString(mac, stamp)
		case pieceHeader:
			values := r.Header[part.text]
			if len(values) != 1 {
				return wrongSignature, seal{}
			}
			_, _ = io.WriteString(mac, values[0])
		}
	}
	want, right := mac.Sum(nil), 0
	for _, text := range signatures {
		if given, err := s.decode(text); err == nil {
			right |= subtle.ConstantTimeCompare(given, want)
		}
	}
	if right != 1 {
		return wrongSignature, seal{}
	}
	if s.args.Timestamp != "" && !s.fresh(stamp, now) {
		return staleTimestamp, seal{}
	}
	return letIn, seal(want)
}

// signatures are those that a header holds, without their prefix, and with Field
// the timestamp beside them.
func (s *settings) signatures(header string) (list []string, stamp string) {
	keep := func(text string) {
		if text, ok := strings.CutPrefix(text, s.args.Prefix); ok && len(list) < maxSignatures {
			list = append(list, text)
		}
	}
	if s.args.Field == "" {
		for text := range strings.FieldsSeq(header) {
			keep(text)
		}
		return list, ""
	}
	stamps := 0
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case s.args.Field:
			keep(value)
		case s.args.Timestamp:
			stamp = value
			stamps++
		}
	}
	if stamps > 1 {
		return nil, ""
	}
	return list, stamp
}

// fresh reports whether a time in unix seconds is about now.
func (s *settings) fresh(stamp string, now time.Time) bool {
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return false
	}
	off := now.Sub(time.Unix(seconds, 0))
	return off <= s.skew && off >= -s.skew
}
