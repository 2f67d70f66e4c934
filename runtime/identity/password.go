package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Cost is what one look at a password takes, by Argon2id (RFC 9106). It is
// stored with each password, so that a later cost does not lock anybody out.
// The zero Cost is the usual one.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// usualCost is the second recommended one of RFC 9106 but for the lanes: they
// would take other processors from the guests.
func usualCost() Cost { return Cost{MemoryKiB: 64 << 10, Passes: 3, Lanes: 1} }

const (
	saltLen = 16
	hashLen = 32
	// The bounds of a password, in bytes.
	minPassword = 10
	maxPassword = 1024
)

// hasher looks at two passwords at once, since each takes the cost's memory: at
// one of strangers, and at one of those who log in from where they did before,
// or set a password. So neither waits for the other.
type hasher struct {
	cost  Cost
	lines [2]line // of strangers, of the known
	dummy string  // what is looked at when there is no user, to take as long
}

func newHasher(cost Cost) *hasher {
	if cost == (Cost{}) {
		cost = usualCost()
	}
	h := &hasher{cost: cost}
	h.dummy = encodeHash(cost, make([]byte, saltLen), make([]byte, hashLen))
	return h
}

// turn says in which line somebody waits, and as whom.
type turn struct {
	known bool
	group string // the tenant, or a stranger's wide network
}

func turnOf(tenant string, from netip.Prefix, known bool) turn {
	if known {
		return turn{true, tenant}
	}
	return turn{false, wideOf(from).String()}
}

// hash is a password as it is stored.
func (h *hasher) hash(ctx context.Context, tenant, password string) (string, error) {
	salt := make([]byte, saltLen)
	rand.Read(salt)
	sum, err := h.derive(ctx, turn{true, tenant}, password, salt, h.cost)
	if err != nil {
		return "", err
	}
	return encodeHash(h.cost, salt, sum), nil
}

// matches reports whether the password is the one that is stored. It takes as
// long when nothing is. stale says that the cost has changed since.
func (h *hasher) matches(ctx context.Context, as turn, password, stored string) (ok, stale bool, err error) {
	known := stored != ""
	if !known {
		stored = h.dummy
	}
	cost, salt, want, err := decodeHash(stored)
	if err != nil {
		return false, false, err
	}
	if len(password) > maxPassword {
		password = "" // none is as long, and a megabyte is not hashed
	}
	sum, err := h.derive(ctx, as, password, salt, cost)
	if err != nil {
		return false, false, err
	}
	same := subtle.ConstantTimeCompare(sum, want) == 1
	return same && known, cost != h.cost, nil
}

func (h *hasher) derive(ctx context.Context, as turn, password string, salt []byte, c Cost) ([]byte, error) {
	l := &h.lines[0]
	if as.known {
		l = &h.lines[1]
	}
	if err := l.take(ctx, as.group); err != nil {
		return nil, err
	}
	defer l.release()
	return argon2.IDKey([]byte(password), salt, c.Passes, c.MemoryKiB, c.Lanes, hashLen), nil
}

// encodeHash writes the form that other programs know:
// $argon2id$v=19$m=65536,t=3,p=1$salt$hash.
func encodeHash(c Cost, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, c.MemoryKiB, c.Passes, c.Lanes, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func decodeHash(stored string) (c Cost, salt, sum []byte, err error) {
	damaged := fault.New(fault.Integrity, "a stored password cannot be read")
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, damaged
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Passes, &c.Lanes); n != 3 || err != nil ||
		c.MemoryKiB > 1<<20 || c.Passes < 1 || c.Passes > 100 || c.Lanes < 1 {
		return c, nil, nil, damaged
	}
	b64 := base64.RawStdEncoding
	if salt, err = b64.DecodeString(parts[4]); err != nil || len(salt) < 8 {
		return c, nil, nil, damaged
	}
	if sum, err = b64.DecodeString(parts[5]); err != nil || len(sum) != hashLen {
		return c, nil, nil, damaged
	}
	return c, salt, sum, nil
}

// checkPassword refuses what is no password for this name.
func checkPassword(password, name string) error {
	detail := ""
	switch {
	case len(password) < minPassword:
		detail = fmt.Sprintf("has at least %d bytes", minPassword)
	case len(password) > maxPassword:
		detail = fmt.Sprintf("has at most %d bytes", maxPassword)
	case !utf8.ValidString(password):
		detail = "is text in UTF-8"
	case strings.EqualFold(password, name) || strings.Count(password, password[:1]) == len(password):
		detail = "is the first that anybody would try"
	default:
		return nil
	}
	return fault.New(fault.Invalid, "the password: %s", detail).
		WithHint("Take a longer password; several words are good.").
		WithFields(fault.Field{Pointer: "/password", Detail: detail})
}
