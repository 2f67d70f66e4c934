package interlock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/spec"
)

// target is a write with the rules that bound it.
type target struct {
	Write

	rules []*spec.TagRule
}

// The bounds of a message that is judged.
const (
	maxDepth  = 32 // of its body
	maxWrites = 64 // tags, so that each one is judged and told
)

// targetsOf is what a message writes, as an interlock's rules read it. Whatever
// of the message no rule accounts for is a reason to refuse it: a guest may read
// it otherwise.
func targetsOf(lock *spec.Interlock, m *abi.Message) ([]target, *refused) {
	body, err := parse(m)
	if err == nil && (len(m.Metadata) > 0 || slices.ContainsFunc(m.Headers, func(h abi.Header) bool { return h.Name != "id" })) {
		err = errors.New("it has parts beside its body, and no rule is about those")
	}
	if err != nil {
		return nil, &refused{text: "what the message writes cannot be told: " + err.Error(), near: nearForm}
	}
	read := methodOf
	if m.Type == abi.MessageAttributes {
		read = attributesOf
	}
	targets, no := read(lock, m, body)
	switch {
	case no != nil:
		return nil, no
	case len(targets) > maxWrites:
		return nil, tooMany(len(targets))
	}
	for _, t := range targets {
		if len(t.Tag) > maxText {
			return nil, &refused{text: fmt.Sprintf("the name of a tag has at most %d bytes, and %.40q... has more", maxText, t.Tag), near: nearForm}
		}
	}
	return targets, nil
}

func tooMany(n int) *refused {
	return &refused{text: fmt.Sprintf("the message writes %d tags, and under an interlock one writes %d at most", n, maxWrites), near: nearForm}
}

// attributesOf are the attributes of an update, each one a tag.
func attributesOf(lock *spec.Interlock, m *abi.Message, body any) ([]target, *refused) {
	members, ok := body.(map[string]any)
	if !ok || len(members) == 0 {
		return nil, &refused{text: "what the message writes cannot be told: it is no object of attributes", near: nearForm}
	}
	if len(members) > maxWrites { // before each of them is read
		return nil, tooMany(len(members))
	}
	var all []target
	for _, tag := range slices.Sorted(maps.Keys(members)) {
		t := target{Write: writeOf(m.Device, tag, members[tag], true)}
		for i := range lock.Tags {
			if r := &lock.Tags[i]; r.Method == "" && matches(r.Tag, tag) {
				t.rules = append(t.rules, r)
			}
		}
		all = append(all, t)
		if len(t.rules) == 0 {
			return nil, notAllowed(tag, tagsFor(lock, ""), all)
		}
	}
	return all, nil
}

// methodOf is what a method writes, by the rules that name it.
func methodOf(lock *spec.Interlock, m *abi.Message, body any) ([]target, *refused) {
	method := MethodOf(m)
	named := map[string]bool{} // pointers that a rule accounts for
	var all []target
	for i := range lock.Tags {
		r := &lock.Tags[i]
		if r.Method != method {
			continue
		}
		tag, ok := tagOf(r, body)
		if !ok {
			continue
		}
		value, there := spec.Lookup(body, r.Value)
		if !there {
			continue // another rule's params
		}
		named[r.Value] = true
		if r.TagAt != "" {
			named[r.TagAt] = true
		}
		w := writeOf(m.Device, tag, value, body != nil)
		at := slices.IndexFunc(all, func(t target) bool { return t.Tag == w.Tag && t.Value == w.Value })
		if at < 0 {
			all, at = append(all, target{Write: w}), len(all)
		}
		all[at].rules = append(all[at].rules, r)
	}
	if len(all) == 0 {
		return nil, methodNotAllowed(lock, method, body)
	}
	if rest := unnamed(body, "", named); rest != "" {
		return nil, &refused{
			text: fmt.Sprintf("no rule of the interlock says what %s in the params of %s is", strconv.Quote(rest), method), near: nearTag,
			writes: writesOf(all),
		}
	}
	return all, nil
}

// MethodOf is what the rules of an interlock know the message by: its method, or
// its type where it has none.
func MethodOf(m *abi.Message) string {
	if m.Method != "" {
		return m.Method
	}
	switch m.Type {
	case abi.MessagePublish:
		return "publish"
	case abi.MessageCommand:
		return "command"
	case abi.MessageAttributes:
		return "attributes"
	case abi.MessageQuery:
		return "query"
	case abi.MessageRPC:
	}
	return "rpc"
}

// tagOf is the tag that a rule's method writes, if the rule is about that one.
func tagOf(r *spec.TagRule, body any) (tag string, ok bool) {
	if r.TagAt == "" {
		return r.Tag, true
	}
	v, there := spec.Lookup(body, r.TagAt)
	if !there {
		return "", false
	}
	switch v := v.(type) {
	case string:
		tag = v
	case json.Number:
		tag = v.String()
	default:
		return "", false
	}
	return tag, matches(r.Tag, tag)
}

// unnamed is the pointer to some part of a body that no rule accounts for; "":
// there is none.
func unnamed(v any, at string, named map[string]bool) string {
	if named[at] {
		return ""
	}
	switch v := v.(type) {
	case nil:
		if at == "" {
			return "" // there is no body
		}
	case map[string]any:
		if len(v) == 0 && at != "" {
			break
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if rest := unnamed(v[name], at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), named); rest != "" {
				return rest
			}
		}
		return ""
	case []any:
		if len(v) == 0 && at != "" {
			break
		}
		for i := range v {
			if rest := unnamed(v[i], at+"/"+strconv.Itoa(i), named); rest != "" {
				return rest
			}
		}
		return ""
	}
	if at == "" {
		return "/"
	}
	return at
}

// notAllowed says what may not be written, and what may instead.
func notAllowed(what string, may []string, all []target) *refused {
	return &refused{
		text: fmt.Sprintf("the interlock does not let %.100q be written; it lets %s", what, some(may)),
		near: nearTag, writes: writesOf(all),
	}
}

// maxNamed bounds how many names a refusal lists.
const maxNamed = 8

// some are the first of these names, each once.
func some(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(names) == 0:
		return "nothing be written in this way"
	case len(names) > maxNamed:
		names = append(slices.Clip(names[:maxNamed]), "…")
	}
	return strings.Join(names, ", ")
}

// tagsFor are the tags that rules let a method write, "": attributes.
func tagsFor(lock *spec.Interlock, method string) (tags []string) {
	for i := range lock.Tags {
		if lock.Tags[i].Method == method {
			tags = append(tags, lock.Tags[i].Tag)
		}
	}
	return tags
}

// methodNotAllowed says why no rule is about a message: none names its method,
// or those that do are about other tags or other params.
func methodNotAllowed(lock *spec.Interlock, method string, body any) *refused {
	var methods []string
	for i := range lock.Tags {
		r := &lock.Tags[i]
		if r.Method != "" {
			methods = append(methods, r.Method)
		}
		if r.Method != method || r.TagAt == "" {
			continue
		}
		if v, there := spec.Lookup(body, r.TagAt); there {
			no := notAllowed(fmt.Sprint(v), tagsFor(lock, method), nil)
			no.text = "by " + strconv.Quote(method) + " " + no.text
			return no
		}
	}
	if slices.Contains(methods, method) {
		return &refused{text: fmt.Sprintf("the params of %.100q are not where a rule of the interlock has its value", method), near: nearTag}
	}
	return notAllowed(method, methods, nil)
}

func writesOf(all []target) []Write {
	writes := make([]Write, len(all))
	for i := range all {
		writes[i] = all[i].Write
	}
	return writes
}

func writeOf(device, tag string, v any, there bool) Write {
	w := Write{Device: device, Tag: tag}
	if !there {
		return w
	}
	if raw, err := json.Marshal(v); err == nil {
		w.Value = string(raw)
	}
	if n, ok := v.(json.Number); ok {
		f, err := n.Float64()
		w.number, w.numeric = f, err == nil
	}
	return w
}

// parse reads the body of a message, in which nothing may have two meanings: a
// name comes once in an object, and all text is UTF-8. No body is nil.
func parse(m *abi.Message) (any, error) {
	if len(m.Body) == 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	if !abi.IsJSON(m.ContentType) {
		return nil, fmt.Errorf("it is %.60q and not JSON", m.ContentType)
	}
	if !utf8.Valid(m.Body) {
		return nil, errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(m.Body))
	dec.UseNumber()
	v, err := element(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON text in it")
	}
	return v, nil
}

// element reads one value.
func element(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("it is nested too deeply")
	}
	token, err := dec.Token()
	if err != nil {
		return nil, errors.New("it is no JSON")
	}
	switch token {
	case json.Delim('{'):
		return object(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := element(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

func object(dec *json.Decoder, depth int) (any, error) {
	members := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errors.New("it is no JSON")
		}
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("%.60q comes twice in one object", name)
		}
		if members[name], err = element(dec, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("it is no JSON")
	}
	return members, nil
}
