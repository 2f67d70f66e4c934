package hooks

import (
	"encoding/base64"
	"encoding/hex"
	"mime"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The words of abi.HookOpen.
const (
	authNone, authHMAC, authBearer, authBasic = "none", "hmac", "bearer", "basic"
	replyAccepted, replyGuest                 = "accepted", "guest"
)

// The bounds of a session.
const (
	maxPaths      = 32
	maxText       = 1024 // bytes of one argument
	leastBody     = 1
	usualBody     = 256 << 10
	mostBody      = 768 << 10 // with its headers a request is less than an event may have
	usualTimeout  = 10 * time.Second
	mostTimeout   = time.Minute
	usualQueue    = 256
	mostQueue     = 1024
	usualRate     = 500
	mostRate      = 100_000
	usualSkew     = 5 * time.Minute
	mostSkew      = time.Hour
	maxReplyBody  = 256 << 10
	usualIDHeader = "Idempotency-Key"
)

// settings are the arguments of open, in their one form.
type settings struct {
	args    abi.HookOpen
	key     string
	signed  []piece // of hmac
	decode  func(string) ([]byte, error)
	timeout time.Duration
	skew    time.Duration
}

func readSettings(in []byte) (*settings, error) {
	set := &settings{}
	a := &set.args
	if err := a.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "hooks.open")
	}
	if err := set.paths(); err != nil {
		return nil, err
	}
	if err := set.methods(); err != nil {
		return nil, err
	}
	if err := set.auth(); err != nil {
		return nil, err
	}
	if err := set.types(); err != nil {
		return nil, err
	}
	if err := set.bounds(); err != nil {
		return nil, err
	}
	set.key = string(a.Append(nil))
	return set, nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "hooks.open: "+format, args...)
}

func (s *settings) paths() error {
	a := &s.args
	if len(a.Paths) == 0 || len(a.Paths) > maxPaths {
		return invalid("want 1 to %d paths, and there are %d", maxPaths, len(a.Paths))
	}
	for _, path := range a.Paths {
		if err := checkPath(path); err != nil {
			return invalid("the path %q: %v", fault.Clip(path, 128), err)
		}
	}
	slices.Sort(a.Paths)
	a.Paths = slices.Compact(a.Paths)
	return nil
}

func (s *settings) methods() error {
	a := &s.args
	if len(a.Methods) == 0 {
		a.Methods = []string{http.MethodPost}
	}
	for _, m := range a.Methods {
		if !slices.Contains(Methods(), m) {
			return invalid("the method %q is none of %s", fault.Clip(m, 32), strings.Join(Methods(), ", "))
		}
	}
	slices.Sort(a.Methods)
	a.Methods = slices.Compact(a.Methods)
	return nil
}

// Methods are those that a request may have.
func Methods() []string {
	return []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut}
}

func (s *settings) auth() error {
	a := &s.args
	for _, text := range []string{a.Secret, a.Username, a.Password, a.Header, a.Prefix, a.Field, a.Signed, a.Timestamp} {
		if len(text) > maxText {
			return invalid("an argument has more than %d bytes", maxText)
		}
	}
	hmac := a.Algorithm != "" || a.Encoding != "" || a.Field != "" || a.Signed != "" || a.Timestamp != "" || a.ToleranceMS != 0
	switch a.Auth {
	case "", authNone:
		a.Auth = authNone
		if hmac || a.Secret != "" || a.Username != "" || a.Password != "" || a.Header != "" || a.Prefix != "" {
			return invalid("there is something to check requests by, and auth is none: say hmac, bearer or basic")
		}
		return nil
	case authHMAC:
		return s.hmac()
	case authBearer:
		if a.Secret == "" || hmac || a.Username != "" || a.Password != "" {
			return invalid("bearer has a secret, and may have a header and a prefix")
		}
		return s.header("Authorization")
	case authBasic:
		if a.Username == "" || a.Password == "" || hmac || a.Secret != "" || a.Header != "" || a.Prefix != "" {
			return invalid("basic has a user name and a password")
		}
		return nil
	}
	return invalid("auth is none, hmac, bearer or basic, and not %q", fault.Clip(a.Auth, 32))
}

func (s *settings) hmac() (err error) {
	a := &s.args
	if a.Secret == "" || a.Username != "" || a.Password != "" {
		return invalid("hmac has a secret, and no user name or password")
	}
	if a.Algorithm == "" {
		a.Algorithm = "sha256"
	}
	if hashOf(a.Algorithm) == nil {
		return invalid("the algorithm is sha1, sha256 or sha512, and not %q", fault.Clip(a.Algorithm, 32))
	}
	switch a.Encoding {
	case "", "hex":
		a.Encoding, s.decode = "hex", hex.DecodeString
	case "base64":
		s.decode = func(text string) ([]byte, error) {
			return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		}
	default:
		return invalid("the encoding is hex or base64, and not %q", fault.Clip(a.Encoding, 32))
	}
	if a.Signed == "" {
		a.Signed = "{body}"
	}
	if s.signed, err = parseSigned(a.Signed); err != nil {
		return err
	}
	stamped := slices.ContainsFunc(s.signed, func(p piece) bool { return p.kind == pieceTimestamp })
	if stamped != (a.Timestamp != "") {
		return invalid("a timestamp is signed and named, or neither: {timestamp} stands in signed, and timestamp is where it comes from")
	}
	if a.Timestamp != "" && a.Field == "" {
		if !isToken(a.Timestamp) {
			return invalid("timestamp is the name of a header, and not %q", fault.Clip(a.Timestamp, 64))
		}
		a.Timestamp = textproto.CanonicalMIMEHeaderKey(a.Timestamp)
	}
	if a.ToleranceMS > uint64(mostSkew.Milliseconds()) {
		return invalid("the tolerance is at most %v", mostSkew)
	}
	if a.Timestamp != "" && a.ToleranceMS == 0 {
		a.ToleranceMS = uint64(usualSkew.Milliseconds())
	}
	s.skew = time.Duration(a.ToleranceMS) * time.Millisecond //nolint:gosec // within an hour
	return s.header("X-Signature")
}

// header settles in which header the proof is.
func (s *settings) header(usual string) error {
	a := &s.args
	if a.Header == "" {
		a.Header = usual
	}
	if !isToken(a.Header) {
		return invalid("%q is no name of a header", fault.Clip(a.Header, 64))
	}
	a.Header = textproto.CanonicalMIMEHeaderKey(a.Header)
	return nil
}

func (s *settings) types() error {
	a := &s.args
	for i, text := range a.ContentTypes {
		kind, _, err := mime.ParseMediaType(text)
		if err != nil {
			return invalid("%q is no content type", fault.Clip(text, 64))
		}
		a.ContentTypes[i] = kind
	}
	slices.Sort(a.ContentTypes)
	a.ContentTypes = slices.Compact(a.ContentTypes)
	if len(a.IDHeaders) == 0 {
		a.IDHeaders = []string{usualIDHeader}
	}
	for i, name := range a.IDHeaders {
		if !isToken(name) || len(a.IDHeaders) > 8 {
			return invalid("id_headers are up to 8 names of headers, and %q is among them", fault.Clip(name, 64))
		}
		a.IDHeaders[i] = textproto.CanonicalMIMEHeaderKey(name)
	}
	return nil
}

func (s *settings) bounds() error {
	a := &s.args
	for _, b := range []struct {
		name       string
		value      uint64
		most, then uint64
		set        func(uint64)
	}{
		{"max_body", a.MaxBody, mostBody, usualBody, func(v uint64) { a.MaxBody = v }},
		{"timeout", a.TimeoutMS, uint64(mostTimeout.Milliseconds()), uint64(usualTimeout.Milliseconds()), func(v uint64) { a.TimeoutMS = v }},
		{"queue", uint64(a.Queue), mostQueue, usualQueue, func(v uint64) { a.Queue = uint32(v) }}, //nolint:gosec // bounded
		{"rate", uint64(a.Rate), mostRate, usualRate, func(v uint64) { a.Rate = uint32(v) }},      //nolint:gosec // bounded
	} {
		if b.value > b.most {
			return invalid("%s is at most %d, and not %d", b.name, b.most, b.value)
		}
		if b.value == 0 {
			b.set(b.then)
		}
	}
	s.timeout = time.Duration(a.TimeoutMS) * time.Millisecond //nolint:gosec // bounded
	switch a.Reply {
	case "":
		a.Reply = replyAccepted
	case replyAccepted, replyGuest:
	default:
		return invalid("reply is accepted or guest, and not %q", fault.Clip(a.Reply, 32))
	}
	return nil
}

// isToken reports whether a text may be the name of a header.
func isToken(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
