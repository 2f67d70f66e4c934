// Package fault is the one error taxonomy of Snaprail. Every error that
// reaches a user, an API client, a guest or an exit code is a Fault of a Kind
// out of one table (table.go), which gives its code, HTTP status, exit code,
// number across the wall, whether a retry can help, and what to do next.
//
// Everything in the host may import it; it imports the contract alone.
// Faults are values: they are returned or logged, never both.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Fault is an error that says what happened and what to do next.
type Fault struct {
	Kind Kind
	// Text is what happened, for a person.
	Text string
	// Hint is what to do next; empty: the table's.
	Hint string
	// RetryAfter is how long to wait before a retry; 0: no advice.
	RetryAfter time.Duration
	// Fields says which parts of the input are wrong, by JSON Pointer
	// (RFC 6901).
	Fields []Field
	// Offset is the byte offset of the mistake in an uploaded file; -1 and 0:
	// none.
	Offset int64
	// Finer is a code beside the kind's, for guests that tell its cases apart; empty:
	// there is none.
	Finer string
	// Said is what a guest called its own error; FaultUnknown: it did not, or it
	// is no guest's.
	Said abi.FaultKind

	cause error
}

// Field is one wrong part of an input.
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// New is a fault of this kind with a text.
func New(k Kind, format string, args ...any) *Fault {
	return &Fault{Kind: k, Text: fmt.Sprintf(format, args...)}
}

// Wrap is a fault of this kind that was caused by err; its text is the given
// one followed by err's.
func Wrap(k Kind, err error, format string, args ...any) *Fault {
	return &Fault{Kind: k, Text: fmt.Sprintf(format, args...) + ": " + err.Error(), cause: err}
}

// WithHint replaces the table's hint.
func (f *Fault) WithHint(format string, args ...any) *Fault {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// WithRetryAfter says when a retry can help.
func (f *Fault) WithRetryAfter(d time.Duration) *Fault {
	f.RetryAfter = d
	return f
}

// WithFields names the wrong parts of the input.
func (f *Fault) WithFields(fields ...Field) *Fault {
	f.Fields = append(f.Fields, fields...)
	return f
}

// WithOffset names the byte where an uploaded file is wrong.
func (f *Fault) WithOffset(n int64) *Fault {
	f.Offset = n
	return f
}

// Error is the text.
func (f *Fault) Error() string { return f.Text }

// Unwrap is the cause, if there is one.
func (f *Fault) Unwrap() error { return f.cause }

// Advice is the fault's own hint, or the table's.
func (f *Fault) Advice() string {
	if f.Hint != "" {
		return f.Hint
	}
	return f.Kind.Info().Hint
}

// Of is the fault in err's chain. An error without one becomes Internal, or
// Timeout and Canceled for the errors of a context.
func Of(err error) *Fault {
	var f *Fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		if f == err { //nolint:errorlint // identity: keep the text of whoever wrapped it
			return f
		}
		outer := *f
		outer.Text, outer.cause = err.Error(), err
		return &outer
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(Timeout, err, "the deadline passed")
	case errors.Is(err, context.Canceled):
		return Wrap(Canceled, err, "the call was cancelled")
	}
	return Wrap(Internal, err, "unexpected failure")
}

// Is reports whether err is a fault of this kind. The outermost fault of err's
// chain decides, as it does for Of.
func Is(err error, k Kind) bool {
	var f *Fault
	return errors.As(err, &f) && f.Kind == k
}

// ToABI is err as a guest sees it.
func ToABI(err error) *abi.Error {
	f := Of(err)
	if f == nil {
		return nil
	}
	info := f.Kind.Info()
	return &abi.Error{
		Kind: info.ABI, Code: info.Code, Finer: f.Finer, Text: f.Text, Hint: f.Advice(),
		RetryAfterMS: uint64(max(f.RetryAfter, 0).Milliseconds()),
	}
}

// FromABI is a guest's error as the host sees it: always of the kind Guest or
// Unsupported, because a guest cannot speak for the host.
func FromABI(e *abi.Error) *Fault {
	k, retry := Guest, maxRetryAfter
	if e.Kind == abi.FaultUnsupported {
		k = Unsupported
	}
	if ms := e.RetryAfterMS; ms < uint64(maxRetryAfter.Milliseconds()) {
		retry = time.Duration(ms) * time.Millisecond //nolint:gosec // below an hour
	}
	return &Fault{Kind: k, Text: e.Error(), Hint: e.Hint, RetryAfter: retry, Said: e.Kind}
}

// maxRetryAfter is the longest wait that a guest can ask for.
const maxRetryAfter = time.Hour

// Clip cuts a text to at most n bytes, at the border of a character, and makes
// it valid UTF-8: what a guest or a device says may be anything. What it answers
// holds nothing of a longer text alive.
func Clip(text string, n int) string {
	valid := strings.ToValidUTF8(text, "?")
	if len(valid) <= n && valid == text {
		return text
	}
	if len(valid) > n {
		for n > 0 && !utf8.RuneStart(valid[n]) {
			n--
		}
		valid = valid[:n]
	}
	return strings.Clone(valid) // of what was mended too: that has room for all of text
}
