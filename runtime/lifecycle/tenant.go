package lifecycle

import "github.com/snaprail/snaprail/runtime/spec"

// TenantLimits is what a tenant may have and what it uses.
type TenantLimits struct {
	Tenant string `json:"tenant"`
	// Limits are those of all guests together. A limit of 0 is none.
	Limits []Limit `json:"limits"`
	// Connector lists what each connector gets, and the most that it may be
	// given.
	Connector []LimitRange `json:"connector"`
	Instances int          `json:"instances"` // guests that live now
	// FuelUnits, CPUSeconds and ThrottledSeconds add up over the life of the
	// server process.
	FuelUnits        uint64  `json:"fuel_units"`
	CPUSeconds       float64 `json:"cpu_seconds"`
	ThrottledSeconds float64 `json:"throttled_seconds"`
}

// LimitRange is the range of one limit of the tenant's connectors.
type LimitRange struct {
	Name    string    `json:"name"`
	Unit    spec.Unit `json:"unit"`
	Default float64   `json:"default"`
	Min     float64   `json:"min"`
	Most    float64   `json:"most"` // under the tenant's ceiling
}
