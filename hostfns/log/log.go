// Package log is the group that takes a guest's log lines. It reaches nothing
// outside of the connector, so it needs no grant. The composition root builds
// the Group; nobody else imports it.
//
// Lines are bounded in number for each connector, because a log is shared with
// whoever reads it: the limit log_lines_per_second of the connector, which its
// owner counts. A line beyond it is refused, and the guest goes on.
package log

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of a guest's log.
const (
	maxText   = 4096 // bytes
	maxTarget = 128
)

// Group is the log of guests.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name implements capability.Group.
func (*Group) Name() string { return "log" }

// Contained marks the group as one that needs no grant.
func (*Group) Contained() {}

// Limit implements capability.Limited.
func (*Group) Limit() string { return spec.LimitLogLines }

// Functions implements capability.Group.
func (*Group) Functions() []capability.Function {
	return []capability.Function{{Name: "write", Sentence: "write lines to the connector's log"}}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	return session{scope.Lines}, nil
}

// session is one guest's log.
type session struct{ lines capability.Lines }

// Call implements capability.Session.
func (s session) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function != "write" {
		return nil, fault.New(fault.Unsupported, "no host function log.%s", function)
	}
	var line abi.LogLine
	if err := line.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "log.write")
	}
	s.lines.Line(min(line.Level, abi.LogCritical), clean(line.Target, maxTarget), clean(line.Text, maxText))
	return out[:0], nil
}

// Close implements capability.Session.
func (session) Close(context.Context) error { return nil }

// clean cuts a text to its bound and writes what cannot be printed as Go does
// (\n, \x1b, \u202e), so that a line stays one line, drives no terminal and
// shows what it holds.
func clean(s string, most int) string {
	cut := ""
	if len(s) > most {
		cut = fmt.Sprintf("... (%d bytes more)", len(s)-most)
		s = s[:most]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, hidden) < 0 {
		return s + cut
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String() + cut
}

func hidden(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }
