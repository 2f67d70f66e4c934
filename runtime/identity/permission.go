package identity

import (
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Role is what an identity may do within its tenant.
type Role string

// The roles. Each may do what the ones before it may.
const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // runs what is there: tests, activates, deactivates, calls
	Admin    Role = "admin"    // changes what is there, and who may do what
)

// Roles lists all roles, the lowest first.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// rank is the place of a role in Roles, from 1; 0: it is none.
func (r Role) rank() int { return slices.Index(Roles(), r) + 1 }

// Includes reports whether whoever has the role may do what the other may. An
// unknown role includes nothing and is in nothing.
func (r Role) Includes(other Role) bool { return other.rank() > 0 && r.rank() >= other.rank() }

// ParseRole reads a role, or returns fault.Invalid.
func ParseRole(text string) (Role, error) {
	if r := Role(text); r.rank() > 0 {
		return r, nil
	}
	return "", fault.New(fault.Invalid, "%.40q is no role: they are viewer, operator and admin", text).
		WithFields(fault.Field{Pointer: "/role", Detail: "is viewer, operator or admin"})
}

// lower is the lower one of two roles. None is the lowest.
func lower(a, b Role) Role {
	if a.rank() > b.rank() {
		return b
	}
	return a
}

// Verb is how much somebody does to an area.
type Verb string

// The verbs. In a scope, each means the ones before it too.
const (
	Read  Verb = "read"  // look at it
	Use   Verb = "use"   // have it do something, without changing what it is
	Write Verb = "write" // create, change and delete
)

// Verbs lists all verbs, the least first.
func Verbs() []Verb { return []Verb{Read, Use, Write} }

// Area is what a permission is about.
type Area string

// The areas.
const (
	Account     Area = "account"
	Audits      Area = "audit"
	Categories  Area = "categories"
	Connectors  Area = "connectors"
	Deployments Area = "deployments"
	Devices     Area = "devices"
	Files       Area = "files"
	Limits      Area = "limits"
	Modules     Area = "modules"
	Remote      Area = "remote"
	Secrets     Area = "secrets"
	Server      Area = "server"
	Stream      Area = "stream"
	Tenants     Area = "tenants"
	TokensArea  Area = "tokens"
	UsersArea   Area = "users"
	Writes      Area = "writes"
)

// Permission is one row of the table of permissions: the lowest role that has
// each verb; "": nobody has.
type Permission struct {
	Area             Area
	Read, Use, Write Role
	// Operator says that the tenant has to be the server's operator, too.
	Operator bool
	Sentence string // what the area is
}

// Permissions is the table of permissions. It is a function, so that nobody
// can change a row.
func Permissions() []Permission {
	all := permissions()
	return all[:]
}

// permissions is the table itself: an array, since every request asks.
func permissions() [17]Permission {
	return [...]Permission{
		{Area: Account, Read: Viewer, Use: Viewer, Sentence: "who one is, one's own password and one's own tokens"},
		{Area: Audits, Read: Admin, Sentence: "the audit trail"},
		{Area: Categories, Read: Viewer, Write: Admin, Sentence: "categories and types"},
		{Area: Connectors, Read: Viewer, Use: Operator, Write: Admin, Sentence: "connectors with their status and their logs; to use one is to test, activate, deactivate or call it"},
		{Area: Deployments, Read: Viewer, Use: Operator, Write: Admin, Sentence: "what is set up for devices; to use it is to try again what failed, to write is also to make and delete the connectors that a device needs"},
		{Area: Devices, Read: Viewer, Use: Operator, Write: Admin, Sentence: "devices"},
		{Area: Files, Read: Operator, Write: Admin, Sentence: "files that parameters refer to"},
		{Area: Limits, Read: Viewer, Sentence: "what the tenant may have and what it uses"},
		{Area: Modules, Read: Viewer, Write: Admin, Sentence: "modules"},
		{Area: Remote, Use: Admin, Sentence: "the sessions of remote connectors; to use one is to attach as its code, which gets its config with the secrets in it"},
		{Area: Secrets, Read: Operator, Write: Admin, Sentence: "secrets, whose values nobody can read; to write is also to see a connector's own in its config"},
		{Area: Server, Read: Admin, Write: Admin, Operator: true, Sentence: "the server itself and its own trail"},
		{Area: Stream, Read: Viewer, Sentence: "the stream of records"},
		{Area: Tenants, Read: Admin, Write: Admin, Operator: true, Sentence: "all tenants, their ceilings and quotas"},
		{Area: TokensArea, Read: Admin, Write: Admin, Sentence: "the tokens of the tenant"},
		{Area: UsersArea, Read: Admin, Write: Admin, Sentence: "the users of the tenant"},
		{Area: Writes, Read: Viewer, Use: Operator, Write: Admin, Sentence: "writes that wait for a second person, and overrides of interlocks; to use one is to approve it"},
	}
}

// permission is the row of an area; one that is not there allows nothing.
func permission(a Area) Permission {
	all := permissions()
	for i := range all {
		if all[i].Area == a {
			return all[i]
		}
	}
	return Permission{Area: a}
}

// Needs is the lowest role that has the verb; "": nobody has it.
func (p Permission) Needs(v Verb) Role {
	switch v {
	case Read:
		return p.Read
	case Use:
		return p.Use
	case Write:
		return p.Write
	}
	return ""
}

// May reports whether the identity may do this within its tenant; operator
// says whether that is the tenant that operates the server. Without a role an
// identity may nothing.
func (i Identity) May(a Area, v Verb, operator bool) bool {
	p := permission(a)
	return i.Role.Includes(p.Needs(v)) && (operator || !p.Operator) && scoped(i.Scopes, a, v)
}

// scoped reports whether scopes leave this; none leaves everything.
func scoped(scopes string, a Area, v Verb) bool {
	if scopes == "" {
		return true
	}
	for s := range strings.FieldsSeq(scopes) {
		area, most, narrowed := strings.Cut(s, ":")
		if area != string(a) {
			continue
		}
		if !narrowed || slices.Index(Verbs(), Verb(most)) >= slices.Index(Verbs(), v) {
			return true
		}
	}
	return false
}

// maxScopes bounds the scopes of one token.
const maxScopes = 32

// JoinScopes checks scopes, an area or an area with the most that may be done
// to it ("stream", "connectors:read"), and makes them the one text in which an
// Identity has them: sorted, each once. What is wrong is fault.Invalid.
func JoinScopes(scopes []string) (string, error) {
	if len(scopes) > maxScopes {
		return "", fault.New(fault.Invalid, "a token has at most %d scopes", maxScopes)
	}
	for _, s := range scopes {
		area, verb, narrowed := strings.Cut(s, ":")
		p := permission(Area(area))
		if p.Sentence == "" || (narrowed && p.Needs(Verb(verb)) == "") {
			return "", fault.New(fault.Invalid, "%.80q is no scope", s).
				WithHint("A scope is an area, or an area with read, use or write: connectors:read. The areas are %s.", areaNames()).
				WithFields(fault.Field{Pointer: "/scopes", Detail: "has an entry that is no scope"})
		}
	}
	scopes = slices.Clone(scopes)
	slices.Sort(scopes)
	return strings.Join(slices.Compact(scopes), " "), nil
}

func areaNames() string {
	var names []string
	for _, p := range Permissions() {
		names = append(names, string(p.Area))
	}
	return strings.Join(names, ", ")
}
