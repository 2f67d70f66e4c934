package control

import (
	"context"
	"io"

	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Service is the control plane of one process.
type Service struct{}

// Tenant is one tenant's control plane.
type Tenant struct{}

// Tenant narrows the service to one tenant.
func (s *Service) Tenant(id string) (*Tenant, error) { panic("stub") }

// Ready reports why the service cannot take work now, or nil.
func (s *Service) Ready(ctx context.Context) error { panic("stub") }

// Stats are the figures of the whole process, by name with labels, for the metrics endpoint.
func (s *Service) Stats() Stats { panic("stub") }

// Stats are figures for the metrics endpoint.
type Stats struct {
	Connectors []ConnectorStats
	Engine     map[string]float64            // metric suffix to value
	Outbox     map[string]map[string]float64 // tenant to metric suffix to value
}

// ConnectorStats is one connector's status with its tenant.
type ConnectorStats struct {
	Tenant    string
	Connector string
	Name      string
	Status    lifecycle.Status
}

// AddModule admits a module. manifest is a side-car; nil: the module's own. created is false when the tenant had it already.
func (t *Tenant) AddModule(ctx context.Context, body io.Reader, manifest []byte) (m spec.Module, created bool, err error) {
	panic("stub")
}
func (t *Tenant) Modules(ctx context.Context, p Page) (list []spec.Module, next string, err error) {
	panic("stub")
}
func (t *Tenant) Module(ctx context.Context, digest string) (ModuleView, error) { panic("stub") }
func (t *Tenant) DeleteModule(ctx context.Context, digest string) error         { panic("stub") }

func (t *Tenant) CreateConnector(ctx context.Context, in ConnectorInput) (ConnectorView, error) {
	panic("stub")
}
func (t *Tenant) Connectors(ctx context.Context, p Page) (list []ConnectorView, next string, err error) {
	panic("stub")
}

// Connector finds a connector by id or by name.
func (t *Tenant) Connector(ctx context.Context, idOrName string) (ConnectorView, error) {
	panic("stub")
}

// UpdateConnector replaces what a caller may set; revision is the one that the caller read (If-Match).
func (t *Tenant) UpdateConnector(ctx context.Context, id string, in ConnectorInput, revision uint64) (ConnectorView, error) {
	panic("stub")
}
func (t *Tenant) DeleteConnector(ctx context.Context, id string, revision uint64) error {
	panic("stub")
}
func (t *Tenant) TestConnector(ctx context.Context, id string) (TestResult, error) { panic("stub") }
func (t *Tenant) Activate(ctx context.Context, id string) (ConnectorView, error)   { panic("stub") }
func (t *Tenant) Deactivate(ctx context.Context, id string) (ConnectorView, error) { panic("stub") }
func (t *Tenant) Devices(ctx context.Context, connector string, p Page) (list []spec.Device, next string, err error) {
	panic("stub")
}

// Logs starts reading a connector's log behind a sequence; 0: the oldest line kept.
func (t *Tenant) Logs(ctx context.Context, connector string, after uint64) (*Logs, error) {
	panic("stub")
}

// Stream starts reading the tenant's records.
func (t *Tenant) Stream(ctx context.Context, o StreamOptions) (*Stream, error) { panic("stub") }

// Logs reads log lines.
type Logs struct{}

// Next waits for the next line.
func (l *Logs) Next(ctx context.Context) (LogLine, error) { panic("stub") }

// Pending reports whether Next would return at once.
func (l *Logs) Pending() bool { panic("stub") }

// Close ends the reading.
func (l *Logs) Close() error { panic("stub") }

// Stream reads records.
type Stream struct{}

// Next waits for the next record. A fault of the kind Exhausted-like "gap" never ends it: gaps come as records of kind gap.
func (s *Stream) Next(ctx context.Context) (Record, error) { panic("stub") }

// Pending reports whether Next would return at once.
func (s *Stream) Pending() bool { panic("stub") }

// Close ends the reading.
func (s *Stream) Close() error { panic("stub") }
