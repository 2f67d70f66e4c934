package engine

import (
	"context"
	"errors"

	"github.com/snaprail/snaprail/runtime/spec"
)

// Module is one reference to a compiled module. It is immutable and safe for
// use by several goroutines.
type Module struct{}

// Digest is the sha256 of the binary, in hex.
func (m *Module) Digest() string { return "" }

// Imports lists the functions that the module needs, in the order of the
// binary.
func (m *Module) Imports() []spec.Import { return nil }

// Exports lists the names of the exported functions, in the order of the
// binary.
func (m *Module) Exports() []string { return nil }

// Close drops this reference. Instances that were made of it live on. It may
// be called more than once.
func (m *Module) Close(ctx context.Context) error { return errors.ErrUnsupported }
