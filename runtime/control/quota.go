package control

import (
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// usualQuota is what a tenant may have of things that nobody has set, if it is
// not the one that operates the server: that one has what the disk has.
func usualQuota() spec.Quota {
	return spec.Quota{Connectors: 1000, Modules: 200, ModuleBytes: 2 << 30}
}

// quota is what the tenant may have; 0: nothing bounds it.
func (t *Tenant) quota() spec.Quota {
	quota := t.runtime.Ceiling().Quota
	if t.operates() {
		return quota
	}
	return quota.Or(usualQuota())
}

// roomForConnector refuses one connector more than the tenant may have. It
// belongs into the transaction that makes the connector, after its name was
// taken.
func (t *Tenant) roomForConnector(r store.Reader) error {
	most := t.quota().Connectors
	if most == 0 {
		return nil
	}
	have := uint64(0)
	for _, err := range store.All(r, store.ConnectorNames, "") { // smaller than the connectors
		if err != nil {
			return err
		}
		if have++; have > most {
			return fault.New(fault.QuotaReached, "the tenant may have %d connectors, and has them", most)
		}
	}
	return nil
}

// roomForModule refuses a module beyond what the tenant may have, in the
// transaction that keeps it.
func (t *Tenant) roomForModule(r store.Reader, m *spec.Module) error {
	quota := t.quota()
	if quota.Modules == 0 && quota.ModuleBytes == 0 {
		return nil
	}
	count, bytes := uint64(1), uint64(m.Size)
	for e, err := range store.All(r, store.Modules, "") {
		if err != nil {
			return err
		}
		var has struct {
			Size uint64 `json:"size"`
		}
		if err := json.Unmarshal(e.Value, &has); err != nil {
			return fault.Wrap(fault.Integrity, err, "module record")
		}
		count, bytes = count+1, bytes+has.Size
	}
	switch {
	case quota.Modules > 0 && count > quota.Modules:
		return fault.New(fault.QuotaReached, "the tenant has %d modules, and may have %d", count-1, quota.Modules)
	case quota.ModuleBytes > 0 && bytes > quota.ModuleBytes:
		return fault.New(fault.QuotaReached, "the tenant's modules would have %d bytes together, and may have %d", bytes, quota.ModuleBytes)
	}
	return nil
}
