// Package files is the group of the files that belong to a connector: those that a
// user has chosen for its parameters. The composition root builds the Group; nobody
// else imports it.
//
// A file is named by its parameter, read-only and of bounded size. There are no
// paths, of this machine or of anything else (that is the group file), and no files
// of other connectors; so it needs no grant.
package files

import (
	"context"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

const (
	name = "files"

	// maxPiece bounds what one call answers, in bytes.
	maxPiece = 512 << 10
)

// Group is the files of parameters.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name is "files".
func (*Group) Name() string { return name }

// Contained implements capability.Contained.
func (*Group) Contained() {}

var _ capability.Contained = (*Group)(nil)

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: "list", Sentence: "see which files its parameters refer to"},
		{Name: "stat", Sentence: "see how large a file of its parameters is"},
		{Name: "read", Sentence: "read the files that its parameters refer to"},
	}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	return &session{files: scope.Files}, nil
}

// session is one guest's. It keeps the content that was read last: the next piece is
// most likely of the same.
type session struct {
	files   capability.Files // nil: a converter, which has none
	last    string
	content []byte
}

// Call serves list, stat and read.
func (s *session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	switch function {
	case "list":
		return s.list(ctx, in, out)
	case "stat":
		return s.stat(ctx, in, out)
	case "read":
		return s.read(ctx, in, out)
	}
	return nil, fault.New(fault.Unsupported, "files has no function %q", function)
}

func unreadable(function string, err error) error {
	return fault.Wrap(fault.Invalid, err, "files.%s: the request cannot be read", function)
}

func (s *session) all(ctx context.Context) ([]abi.FileInfo, error) {
	if s.files == nil {
		return nil, nil
	}
	return s.files.Files(ctx)
}

func (s *session) list(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.FilesList
	if err := q.Decode(in); err != nil {
		return nil, unreadable("list", err)
	}
	limit := abi.MaxItems
	if q.Limit > 0 {
		limit = int(min(q.Limit, abi.MaxItems))
	}
	all, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f abi.FileInfo) bool { return q.After != "" && f.Name <= q.After })
	page := abi.FilePage{Files: all[:min(len(all), limit)], More: len(all) > limit}
	return page.Append(out[:0]), nil
}

func (s *session) stat(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.FilesStat
	if err := q.Decode(in); err != nil {
		return nil, unreadable("stat", err)
	}
	all, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(f abi.FileInfo) bool { return f.Name == q.Name })
	if at < 0 {
		return nil, missing(q.Name)
	}
	return all[at].Append(out[:0]), nil
}

func missing(file string) error {
	return fault.New(fault.NotFound, "no parameter %q that is a file", fault.Clip(file, 64)).
		WithHint("Choose a file for the parameter: `snaprail connectors update CONNECTOR --param-file %s=PATH`.", fault.Clip(file, 64))
}

func (s *session) read(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.FilesRead
	if err := q.Decode(in); err != nil {
		return nil, unreadable("read", err)
	}
	switch {
	case s.files == nil:
		return nil, missing(q.Name)
	case q.Offset == 0 || q.Name != s.last: // from the beginning it is read as it is now
		content, err := s.files.Content(ctx, q.Name)
		if fault.Is(err, fault.NotFound) {
			return nil, missing(q.Name)
		}
		if err != nil {
			return nil, err
		}
		s.last, s.content = strings.Clone(q.Name), content
	}
	n := uint64(maxPiece)
	if q.Max > 0 {
		n = min(n, uint64(q.Max))
	}
	data := abi.FileData{Size: uint64(len(s.content))}
	if q.Offset < data.Size {
		rest := s.content[q.Offset:]
		data.Data = rest[:min(uint64(len(rest)), n)]
	}
	if out = data.Append(out[:0]); q.Offset+uint64(len(data.Data)) >= data.Size {
		s.last, s.content = "", nil // nobody reads on
	}
	return out, nil
}

// Close implements capability.Session: the content is let go.
func (s *session) Close(context.Context) error {
	s.content, s.last = nil, ""
	return nil
}
