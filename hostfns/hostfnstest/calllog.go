package hostfnstest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Message is what can be encoded.
type Message interface{ Append(dst []byte) []byte }

// Reply is what can be decoded.
type Reply interface{ Decode(src []byte) error }

// Call is one call of a script.
type Call struct {
	Function string
	Request  Message // nil: no input
	Reply    Reply   // what to read the reply into; nil: there is none
	// Before and After act on the other end, or look at it: After runs once the
	// call has returned.
	Before, After func(t *testing.T)
	// Varies names fields of the reply that are logged as "*".
	Varies []string
}

// play makes the calls through the guest and logs them.
func play(t *testing.T, group string, i *engine.Instance, calls []Call) string {
	t.Helper()
	var log strings.Builder
	for _, c := range calls {
		if c.Before != nil {
			c.Before(t)
		}
		var in []byte
		if c.Request != nil {
			in = c.Request.Append(nil)
		}
		fmt.Fprintf(&log, "==> %s.%s(%s)\n", group, c.Function, fields(c.Request, nil))
		out, err := i.Call(t.Context(), entryCall+c.Function, in)
		fmt.Fprintf(&log, "<== %s\n", answer(t, c, out, err))
		if c.After != nil {
			c.After(t)
		}
	}
	return log.String()
}

// Do makes one call through a fresh guest and answers its error.
func Do(t *testing.T, c Case, call Call) error {
	t.Helper()
	h := c.host()
	defer h.close(t)
	_, err := instance(t, h).Call(t.Context(), entryCall+call.Function, call.Request.Append(nil))
	return err
}

// answer is the reply as text.
func answer(t *testing.T, c Call, out []byte, err error) string {
	t.Helper()
	switch {
	case err != nil:
		return "error=" + code(err)
	case c.Reply == nil && len(out) > 0:
		return fmt.Sprintf("%q", out)
	case c.Reply == nil:
		return "ok"
	}
	if err := c.Reply.Decode(out); err != nil {
		t.Errorf("%s: the reply cannot be read: %v", c.Function, err)
	}
	if text := fields(c.Reply, c.Varies); text != "" {
		return text
	}
	return "zero"
}

// code is the code of an error that has crossed the wall: the text of a guest's
// error begins with it.
func code(err error) string {
	before, _, found := strings.Cut(err.Error(), ": ")
	if f := fault.Of(err); !found || f.Kind != fault.Guest && f.Kind != fault.Unsupported {
		return f.Kind.String()
	}
	return before
}

// fields writes a message's fields that are not zero: "key="a",found=true".
func fields(m any, varies []string) string {
	v := reflect.Indirect(reflect.ValueOf(m))
	if !v.IsValid() {
		return ""
	}
	var words []string
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() {
			continue
		}
		key := []rune(v.Type().Field(i).Name)
		key[0] = unicode.ToLower(key[0])
		words = append(words, string(key)+"="+value(reflect.Indirect(f), string(key), varies))
	}
	return strings.Join(words, ",")
}

func value(f reflect.Value, key string, varies []string) string {
	if slices.Contains(varies, key) {
		return "*"
	}
	switch b := f.Interface().(type) {
	case []byte:
		return Quoted(string(b))
	case string:
		return Quoted(b)
	default:
		if f.Kind() == reflect.Struct {
			return "{" + fields(b, varies) + "}"
		}
		return fmt.Sprint(b)
	}
}

// Quoted is a text as the log has it: a long one is cut short.
func Quoted(s string) string {
	if len(s) > 64 {
		s = fmt.Sprintf("%s... %d bytes", s[:16], len(s))
	}
	return strconv.Quote(s)
}
