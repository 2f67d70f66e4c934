package store

import "slices"

// Bucket is a named collection in a space. The set is closed: a store refuses
// any other name. The names are stored, so none is ever changed or reused.
type Bucket string

// The buckets of a tenant.
const (
	Connectors     Bucket = "connectors"      // id → spec.Connector
	ConnectorNames Bucket = "connector-names" // name → connector id
	Modules        Bucket = "modules"         // digest → spec.Module
	Devices        Bucket = "devices"         // connector and device → spec.Device
	KV             Bucket = "kv"              // connector and key → a guest's own state
	Applied        Bucket = "applied"         // connector → last outbox block applied
	Epochs         Bucket = "epochs"          // connector → last epoch that a start was given
	// Audit is the audit trail: place in a ring → identity.Event. The system has
	// one too, of what belongs to no tenant.
	Audit Bucket = "audit"
	// Types is category, provider type and version → digest of the module.
	Types       Bucket = "types"
	Categories  Bucket = "categories"   // name → spec.Category: those that the tenant added
	Defaults    Bucket = "defaults"     // category → id of its default connector
	Secrets     Bucket = "secrets"      // name → a sealed value
	Files       Bucket = "files"        // id → spec.File with its bytes
	OAuthStates Bucket = "oauth-states" // nonce → what began with it
	Answers     Bucket = "answers"      // Idempotency-Key → what was answered
	// Twins is connector and device → the latest readings, what is wanted of the
	// device, and a window of history.
	Twins         Bucket = "twins"
	DeviceSyncs   Bucket = "device-syncs"  // connector → the report of its last sync upstream
	Deployments   Bucket = "deployments"   // device uuid → a deployment with its ledger
	Permits       Bucket = "permits"       // id → an override or an approval of the write interlock
	Converters    Bucket = "converters"    // category and provider type → the type's default converter
	Notifications Bucket = "notifications" // connector and key → spec.Notification
	Sets          Bucket = "sets"          // name → spec.Set: those that a probe is of
	Quarantine    Bucket = "quarantine"    // connector → what was put aside and is done with
)

// The buckets of the system.
const (
	Tenants        Bucket = "tenants"          // tenant id → spec.Tenant
	ModuleRefs     Bucket = "module-refs"      // digest and tenant → nothing: who keeps a blob
	Tokens         Bucket = "tokens"           // token id → what Verify needs
	TokensByTenant Bucket = "tokens-by-tenant" // tenant and token id → nothing
	Users          Bucket = "users"            // tenant and name → a user
	Logins         Bucket = "logins"           // digest of a session's secret → a session
	Setup          Bucket = "setup"            // digest of a one-time link's secret → what it is for
	DataKeys       Bucket = "data-keys"        // tenant → its data key, wrapped
)

// Buckets lists all buckets.
func Buckets() []Bucket {
	return []Bucket{
		Connectors, ConnectorNames, Modules, Devices, KV, Applied, Epochs, Audit,
		Types, Categories, Defaults, Secrets, Files, OAuthStates, Answers,
		Twins, DeviceSyncs, Deployments, Permits, Converters, Notifications, Sets, Quarantine,
		Tenants, ModuleRefs, Tokens, TokensByTenant, Users, Logins, Setup, DataKeys,
	}
}

func (b Bucket) known() bool { return slices.Contains(Buckets(), b) }
