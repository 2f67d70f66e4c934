package exchange

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// form refuses a reply that has not the form of its status. The body of a
// reply to a query is an object or a list of objects, unless it says that it is
// no JSON; replies to anything else may have any body.
func form(kind abi.MessageType, r *abi.Reply) error {
	if r.Code != 0 && (r.Code < 100 || r.Code > 599) {
		return invalid("the code %d is none of HTTP", r.Code)
	}
	switch r.Status {
	case abi.ReplyEmpty:
		if len(r.Body) > 0 {
			return invalid("an empty reply has no body, and this one has %d bytes", len(r.Body))
		}
	case abi.ReplyError:
		return errorForm(r.Err)
	case abi.ReplyComplete, abi.ReplyPartial:
		if kind == abi.MessageQuery && abi.IsJSON(r.ContentType) && !objects(r.Body) {
			return invalid("a reply to a query is a JSON object or a list of objects")
		}
	default:
		return invalid("the status %d is unknown", r.Status)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.MessageInvalid, format, args...)
}

// errorForm wants what an error reply is made of. Its parameters may be none;
// one that the template names and that is not there stays as it stands.
func errorForm(e *abi.Error) error {
	var missing []string
	if e == nil {
		missing = []string{"code", "template", "parameters"}
	} else {
		if e.Code == "" {
			missing = append(missing, "code")
		}
		if e.Template == "" {
			missing = append(missing, "template")
		}
	}
	if len(missing) > 0 {
		return invalid("an error reply lacks %s", strings.Join(missing, ", "))
	}
	return nil
}

// beyond reports whether the template names a parameter that is not there. It
// stays as it stands.
func beyond(e *abi.Error) bool {
	more := append(slices.Clone(e.Parameters), make([]string, 32)...)
	return abi.Format(e.Template, e.Parameters) != abi.Format(e.Template, more)
}

// objects reports whether b is a JSON object or a list of them.
func objects(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return false
	}
	if b[0] == '{' {
		return json.Valid(b)
	}
	var list []json.RawMessage
	if b[0] != '[' || json.Unmarshal(b, &list) != nil {
		return false
	}
	for _, x := range list {
		if len(x) == 0 || x[0] != '{' {
			return false
		}
	}
	return true
}

// codeOf is the code of a reply that names none.
func codeOf(r *abi.Reply) uint32 {
	if r.Status != abi.ReplyError {
		return r.Status.Code()
	}
	return statusOf(kindOfError(r.Err))
}

// kindOfError is the host's word for what a module says of its own error: its
// code may be any, but a module cannot speak for the host.
func kindOfError(e *abi.Error) fault.Kind {
	switch e.Kind {
	case abi.FaultInvalid:
		return fault.Invalid
	case abi.FaultUnsupported:
		return fault.Unsupported
	case abi.FaultNotFound:
		return fault.NotFound
	case abi.FaultConflict:
		return fault.WrongState
	case abi.FaultTimeout:
		return fault.Timeout
	case abi.FaultTooLarge:
		return fault.TooLarge
	case abi.FaultExhausted:
		return fault.Exhausted
	default:
		return fault.Guest
	}
}

// The lines of refused replies that a table notes.
const (
	notesEvery = time.Second
	notesMost  = 5 // in that time
)

// notes bounds what is noted: a guest may be wrong as often as it likes.
type notes struct {
	since   time.Time
	told    int
	skipped int
}

// line is what is to be noted, or nothing.
func (n *notes) line(text string, now time.Time) string {
	if now.Sub(n.since) >= notesEvery {
		if n.skipped > 0 {
			text += " (and " + strconv.Itoa(n.skipped) + " more since the last line)"
		}
		n.since, n.told, n.skipped = now, 0, 0
	}
	if n.told++; n.told > notesMost {
		n.skipped++
		return ""
	}
	return text
}
