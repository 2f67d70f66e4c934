// Package file is the group of files on the host that a connector may read, by
// position. The composition root builds the Group; nobody else imports it.
//
// A file is granted by its path. What is opened is what the path leads to, and
// a grant must cover that too, so a link cannot lead out of what was granted;
// on Linux not even one that is put there between the check and the open.
//
// A file may change while it is read. One that was cut short is seen by its
// size, which is smaller than the offset. One that was replaced (a log that
// was rotated) is read to its end first; then one read answers no data and the
// size 0, and those that follow read the new file.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// MaxRead bounds one read, in bytes.
const MaxRead = 512 << 10

// maxPath bounds a path, in bytes: Linux opens none that is longer.
const maxPath = 4096

const name = "file"

// Group is the host's files.
type Group struct {
	closed []string
}

// New is the group. Nothing in the folders closed, nor what the kernel shows of
// the process, is ever opened, whatever is granted.
func New(closed ...string) *Group {
	g := &Group{closed: []string{"/proc", "/sys"}}
	for _, dir := range closed {
		if whole, err := filepath.Abs(dir); err == nil {
			dir = whole
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		g.closed = append(g.closed, dir)
	}
	return g
}

// Name implements capability.Group.
func (*Group) Name() string { return name }

// Functions implements capability.Group.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Right: spec.Read, Sentence: "open the files that it is granted"},
		{Name: "read", Right: spec.Read, Sentence: "read the files that it is granted"},
	}
}

// Target implements capability.Group.
func (*Group) Target(args []byte) (capability.Target, error) {
	var req abi.FileOpen
	if err := req.Decode(args); err != nil {
		return capability.Target{}, fault.Wrap(fault.Invalid, err, "file.open")
	}
	if len(req.Path) > maxPath {
		return capability.Target{}, fault.New(fault.Invalid, "file.open: the path has %d bytes", len(req.Path)).
			WithFields(fault.Field{Pointer: "/path", Detail: fmt.Sprintf("want at most %d bytes", maxPath)})
	}
	if !filepath.IsAbs(req.Path) || filepath.Clean(req.Path) != req.Path || strings.ContainsRune(req.Path, 0) {
		return capability.Target{}, fault.New(fault.Invalid, "file.open: %q is no absolute, clean path", req.Path).
			WithFields(fault.Field{Pointer: "/path", Detail: "want an absolute path without . and .."})
	}
	return capability.Target{Resource: req.Path, Key: req.Path}, nil
}

// Open implements capability.Group.
func (g *Group) Open(_ context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	target, err := g.Target(args)
	if err != nil {
		return nil, err
	}
	f, err := g.open(scope.Grants, target.Resource)
	if err != nil {
		return nil, err
	}
	return &session{group: g, file: f, path: target.Resource, grants: scope.Grants}, nil
}

// isClosed reports whether a path without links lies where nothing is opened.
func (g *Group) isClosed(real string) bool {
	return slices.ContainsFunc(g.closed, func(dir string) bool {
		return real == dir || strings.HasPrefix(real, strings.TrimSuffix(dir, "/")+"/")
	})
}

// open opens what the path leads to, if that is a regular file and granted.
func (g *Group) open(grants []spec.Grant, path string) (*os.File, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, openFault(path, err)
	}
	if err := capability.Check(name, grants, real, spec.Read); err != nil {
		return nil, err
	}
	if g.isClosed(real) {
		return nil, fault.New(fault.Denied, "file.open: %s is the server's own and is never opened", path).
			WithHint("name a file outside of the server's data directory, /proc and /sys")
	}
	f, err := openWithoutLinks(real)
	if err != nil {
		return nil, openFault(path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "file.open: %s is not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
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
type session struct {
	group  *Group
	file   *os.File
	path   string
	grants []spec.Grant
	buf    []byte // of the last read
}

// Call implements capability.Session. A read waits for the disk, and not for
// ctx.
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
		return nil, readFault(err)
	}
	size := uint64(max(info.Size(), 0))
	if req.Offset > 0 && req.Offset >= size {
		replaced, err := s.follow(info)
		if err != nil {
			return nil, err
		}
		if replaced {
			return abi.FileData{}.Append(out[:0]), nil
		}
	}
	data, err := s.read(int64(req.Offset), min(uint64(min(req.Max, MaxRead)), size-min(req.Offset, size)))
	if err != nil {
		return nil, err
	}
	return abi.FileData{Data: data, Size: size}.Append(out[:0]), nil
}

// read reads up to n bytes.
func (s *session) read(offset int64, n uint64) ([]byte, error) {
	if n > uint64(cap(s.buf)) {
		s.buf = make([]byte, n)
	}
	got, err := s.file.ReadAt(s.buf[:n], offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readFault(err)
	}
	return s.buf[:got], nil
}

// follow opens the path again if it leads to another file by now. One that
// leads nowhere may be about to be replaced.
func (s *session) follow(old os.FileInfo) (replaced bool, err error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, os.ErrNotExist) || err == nil && os.SameFile(info, old) {
		return false, nil
	}
	f, err := s.group.open(s.grants, s.path)
	if err != nil {
		return false, err
	}
	err = s.file.Close()
	s.file = f
	if err != nil {
		return true, readFault(err)
	}
	return true, nil
}

// readFault is SessionClosed after Close, else the disk's.
func readFault(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return fault.Wrap(fault.SessionClosed, err, "file.read")
	}
	return fault.Wrap(fault.ResourceUnavailable, err, "file.read")
}

// Close implements capability.Session.
func (s *session) Close(context.Context) error {
	if err := s.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fault.Wrap(fault.ResourceUnavailable, err, "file.close")
	}
	return nil
}
