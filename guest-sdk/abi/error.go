package abi

import (
	"strconv"
	"strings"
)

// FaultKind is the number of a fault across the wall. The numbers are never
// reused; runtime/fault maps its table to them.
type FaultKind uint32

// The fault numbers that a guest may see or send.
const (
	FaultUnknown         FaultKind = 0
	FaultInvalid         FaultKind = 1  // the arguments or the config are wrong
	FaultUnsupported     FaultKind = 2  // this side does not know the operation
	FaultDenied          FaultKind = 3  // not granted
	FaultNotFound        FaultKind = 4  // no such port, file, handle
	FaultConflict        FaultKind = 5  // in use by another
	FaultUnavailable     FaultKind = 6  // the peer or the resource is away; retry
	FaultTimeout         FaultKind = 7  // the deadline passed
	FaultTooLarge        FaultKind = 8  // beyond a bound
	FaultExhausted       FaultKind = 9  // a rate or a quota is used up; retry later
	FaultClosed          FaultKind = 10 // the session or the guest is closing
	FaultInternal        FaultKind = 11 // the host's own fault
	FaultNotActive       FaultKind = 12 // a candidate in a swap may not write yet
	FaultUnauthenticated FaultKind = 13
)

// Error is the answer of either side when something failed. An error that comes
// in several languages, or that programs read, has a template and parameters
// beside its text.
type Error struct {
	Kind         FaultKind
	Code         string // snake_case
	Text         string // what happened; empty: what the template says
	Hint         string // what to do next
	RetryAfterMS uint64
	Template     string   // a text with {0}, {1}, ... for the parameters (see Format)
	Parameters   []string // of the template
	Finer        string   // a code beside Code, which tells cases of one code apart; empty: there is none
}

// Error is the code and the text.
func (e *Error) Error() string {
	text := e.Text
	if text == "" {
		text = Format(e.Template, e.Parameters)
	}
	switch {
	case e.Code == "":
		return text
	case text == "":
		return e.Code
	default:
		return e.Code + ": " + text
	}
}

// Format puts parameters into a template, which refers to the first one as {0}.
// A reference to one that there is not stays as it stands, and so do all other
// braces.
func Format(template string, parameters []string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		number, after, closed := strings.Cut(rest, "}")
		if i, err := strconv.ParseUint(number, 10, 16); closed && err == nil && int(i) < len(parameters) {
			out.WriteString(parameters[i])
			template = after
			continue
		}
		out.WriteByte('{')
		template = rest
	}
}
