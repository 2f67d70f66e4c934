// Package file is the group of files on the host that a connector may read, by
// position. The composition root builds the Group; nobody else imports it.
//
// A file is granted by its path. What is opened is what the path leads to, and
// a grant must cover that too, so a link cannot lead out of what was granted.
package file

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// MaxRead bounds one read, in bytes.
const MaxRead = 512 << 10

const name = "file"

// Group is the host's files.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name implements capability.Group.
func (*Group) Name() string { return name }

// Functions implements capability.Group.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Sentence: "open the files that it is granted"},
		{Name: "read", Right: spec.Read, Sentence: "read the files that it is granted"},
	}
}

// Target implements capability.Group.
func (*Group) Target(args []byte) (capability.Target, error) {
	var req abi.FileOpen
	if err := req.Decode(args); err != nil {
		return capability.Target{}, fault.Wrap(fault.Invalid, err, "file.open")
	}
	if !filepath.IsAbs(req.Path) || filepath.Clean(req.Path) != req.Path {
		return capability.Target{}, fault.New(fault.Invalid, "file.open: %q is no absolute, clean path", req.Path)
	}
	return capability.Target{Resource: req.Path, Key: req.Path}, nil
}

// Open implements capability.Group.
func (g *Group) Open(_ context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	target, err := g.Target(args)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(target.Resource)
	if err != nil {
		return nil, openFault(target.Resource, err)
	}
	if err := capability.Check(name, scope.Grants, real, spec.Read); err != nil {
		return nil, err
	}
	// The path has no links now; O_NOFOLLOW keeps it so, and O_NONBLOCK keeps
	// a pipe from holding up the open.
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openFault(target.Resource, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "file.open: %s is not a regular file", target.Resource)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &session{f}, nil
}

func openFault(path string, err error) error {
	kind := fault.ResourceUnavailable
	switch {
	case errors.Is(err, os.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, os.ErrPermission):
		kind = fault.Denied
	}
	return fault.Wrap(kind, err, "file.open").
		WithHint("check that %s exists and that the server's user may read it", path)
}

// session is one open file.
type session struct{ file *os.File }

// Call implements capability.Session.
func (s *session) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function != "read" {
		return nil, fault.New(fault.Unsupported, "no host function file.%s", function)
	}
	var req abi.FileRead
	if err := req.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "file.read")
	}
	if req.Offset > 1<<62 {
		return nil, fault.New(fault.Invalid, "file.read: offset %d", req.Offset)
	}
	info, err := s.file.Stat()
	if err != nil {
		return nil, fault.Wrap(fault.ResourceUnavailable, err, "file.read")
	}
	size := uint64(max(info.Size(), 0))
	data := make([]byte, min(uint64(min(req.Max, MaxRead)), size-min(req.Offset, size)))
	n, err := s.file.ReadAt(data, int64(req.Offset))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Wrap(fault.ResourceUnavailable, err, "file.read")
	}
	return abi.FileData{Data: data[:n], Size: size}.Append(out[:0]), nil
}

// Close implements capability.Session.
func (s *session) Close(context.Context) error {
	if err := s.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fault.Wrap(fault.ResourceUnavailable, err, "file.close")
	}
	return nil
}
