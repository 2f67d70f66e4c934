// Package log is the group that takes a guest's log lines. It reaches nothing
// outside of the connector, so it needs no grant. The composition root builds
// the Group; nobody else imports it.
//
// Lines are rate-limited for each guest, because a log is shared with whoever
// reads it: 100 a second, with bursts of 1,000. What is too much is dropped,
// counted, and told once when there is room again. A guest never fails for
// having logged too much.
package log

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a guest's log.
const (
	rate      = 100 // lines a second
	burst     = 1000
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

// Functions implements capability.Group.
func (*Group) Functions() []capability.Function {
	return []capability.Function{{Name: "write", Sentence: "write lines to the connector's log"}}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	return &session{lines: scope.Lines, tokens: burst, filled: time.Now()}, nil
}

// session is one guest's log.
type session struct {
	lines   capability.Lines
	tokens  float64
	filled  time.Time
	dropped uint64 // since the last line that was taken
}

// Call implements capability.Session.
func (s *session) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function != "write" {
		return nil, fault.New(fault.Unsupported, "no host function log.%s", function)
	}
	var line abi.LogLine
	if err := line.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "log.write")
	}
	if !s.allow(time.Now()) {
		s.dropped++
		return out[:0], nil
	}
	s.tell()
	s.lines.Line(min(line.Level, abi.LogCritical), clean(line.Target, maxTarget), clean(line.Text, maxText))
	return out[:0], nil
}

// allow takes a token from the bucket, if there is one.
func (s *session) allow(now time.Time) bool {
	s.tokens = min(burst, s.tokens+now.Sub(s.filled).Seconds()*rate)
	s.filled = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

// tell says how many lines were dropped since it was said last.
func (s *session) tell() {
	if s.dropped > 0 {
		s.lines.Line(abi.LogWarning, "log", fmt.Sprintf("%d lines dropped: more than %d a second", s.dropped, rate))
		s.dropped = 0
	}
}

// Close tells what was dropped last.
func (s *session) Close(context.Context) error {
	s.tell()
	return nil
}

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
