package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Validate checks a manifest and reports all of its faults, joined. Whether
// the host serves its version of the contract is another question: see
// Version.Served.
func (m *Manifest) Validate() error {
	var p problems
	p.check(m.Category != "", "category", "is required")
	p.check(isName(m.ProviderType), "provider_type", "must be made of a-z, 0-9 and _")
	p.check(m.DisplayName != "", "display_name", "is required")
	p.check(isSemver(m.Version), "version", "must be a semantic version such as 1.4.2")
	p.check(m.ABI.Major > 0, "abi.major", "is required")
	m.validateKind(&p)
	known := m.ConfigSchema == nil || isObject(m.ConfigSchema) || isFlat(m.ConfigSchema)
	p.check(known, "config_schema", "must be a JSON Schema, or a list of {key, label, required, secret}")
	m.validateCapabilities(&p)
	if x := m.Extism; x != nil {
		p.check(m.Kind == KindConverter, "extism", "is for converters only")
		p.check(x.Convert != "", "extism.convert", "is required: the name of one of the plugin's functions")
	}
	p.distinct("device_types", m.DeviceTypes, "must not be empty", func(s string) bool { return s != "" })
	p.distinct("entry_points", m.EntryPoints, "must be made of a-z, 0-9 and _", isName)
	for i, e := range m.EntryPoints {
		kind := kindOf(e)
		p.check(kind == "" || kind == m.Kind, "entry_points["+strconv.Itoa(i)+"]",
			"names "+e+", which is for modules of kind "+string(kind))
	}
	return errors.Join(p...)
}

func (m *Manifest) validateKind(p *problems) {
	switch m.Kind {
	case KindConnector:
		known := m.Mode == ModePoll || m.Mode == ModeEvent || m.Mode == ModeRun || m.Mode == ModeCall
		p.check(known, "mode", "must be poll, event, run or call")
	case KindConverter, KindSink:
		p.check(m.Mode == "", "mode", "is for connectors only")
	default:
		p.add("kind", "must be connector, converter or sink")
	}
	known := slices.Contains([]string{"", "connector", "device", "endpoint"}, m.Lanes)
	p.check(known, "lanes", "must be connector, device or endpoint")
	known = m.Polls == "" || m.Polls == PollsLane || m.Polls == PollsDevice
	p.check(known, "polls", "must be lane or device")
	p.check(m.Polls == "" || m.Mode == ModePoll, "polls", "is for mode poll only")
	if m.Delivers() {
		p.check(m.Kind != KindConverter, "entry_points", "names deliver, which is for modules of kind sink and connector")
		p.check(m.Mode != ModeRun, "mode", "must not be run: a guest with a loop of its own cannot be called to deliver")
		p.check(m.Lanes == "" || m.Lanes == "connector", "lanes", "must be connector: records are delivered by one guest, in their order")
	}
}

func (m *Manifest) validateCapabilities(p *problems) {
	groups := make(map[string]bool)
	for i, c := range m.Capabilities {
		field := "capabilities[" + strconv.Itoa(i) + "]."
		p.check(isName(c.Group), field+"group", "must be made of a-z, 0-9 and _")
		p.check(!groups[c.Group], field+"group", "names "+strconv.Quote(c.Group)+" a second time")
		groups[c.Group] = true
		p.check(strings.TrimSpace(c.Reason) != "", field+"reason", "is required: one sentence, shown before consent")
		p.distinct(field+"rights", c.Rights, "must be read or write",
			func(s string) bool { return s == "read" || s == "write" })
	}
}

// kindOf is the kind of module that an entry point is for, or "" when it is for
// several, or this version does not know it.
func kindOf(entry string) ModuleKind {
	switch entry {
	case EntryPoll, EntryOnEvents, EntryRun, EntryOnJob, EntryDeploy, EntryTearDown,
		EntryOnPublish, EntryOnQuery, EntryOnRPC, EntryOnCommand, EntryOnAttributes:
		return KindConnector
	case EntryConvert, EntryEncode:
		return KindConverter
	default:
		return ""
	}
}

// Delivers reports whether the module takes records out to where they go.
func (m *Manifest) Delivers() bool {
	return m.Kind == KindSink || slices.Contains(m.EntryPoints, EntryDeliver)
}

// Required lists the exports that kind, mode and entry_points claim, each
// once. Memory and allocation are not among them.
func (m *Manifest) Required() []string {
	if m.Extism != nil {
		return append([]string{m.Extism.Convert}, m.EntryPoints...)
	}
	required := []string{EntryOpen}
	switch m.Kind {
	case KindConnector:
		switch m.Mode {
		case ModePoll:
			required = append(required, EntryPoll)
		case ModeEvent:
			required = append(required, EntryOnEvents)
		case ModeRun:
			required = append(required, EntryRun)
		case ModeCall: // its operations are what its category asks for
		}
	case KindConverter:
		required = append(required, EntryConvert)
	case KindSink:
		required = append(required, EntryDeliver)
	}
	for _, e := range m.EntryPoints {
		if !slices.Contains(required, e) {
			required = append(required, e)
		}
	}
	return required
}

// Served says why a host that speaks this package's version cannot serve a
// module of version v, or nil.
func (v Version) Served() error {
	host := strconv.Itoa(Major) + "." + strconv.Itoa(Minor)
	asked := strconv.FormatUint(uint64(v.Major), 10) + "." + strconv.FormatUint(uint64(v.Minor), 10)
	switch {
	case v.Major > Major || v.Major == Major && v.Minor > Minor:
		return errors.New("the module speaks contract " + asked + ", this host " + host + ": update the host")
	case v.Major == 0 || v.Major+1 < Major:
		return errors.New("the module speaks contract " + asked + ", too old for this host's " + host + ": rebuild the module")
	}
	return nil
}

// problems collects the faults of a manifest.
type problems []error

func (p *problems) add(field, text string) { *p = append(*p, errors.New(field+": "+text)) }

func (p *problems) check(ok bool, field, text string) {
	if !ok {
		p.add(field, text)
	}
}

// distinct checks that each value is good and none comes twice.
func (p *problems) distinct(field string, values []string, text string, good func(string) bool) {
	seen := make(map[string]bool, len(values))
	for i, v := range values {
		element := field + "[" + strconv.Itoa(i) + "]"
		p.check(good(v), element, text)
		p.check(!seen[v], element, "names "+strconv.Quote(v)+" a second time")
		seen[v] = true
	}
}

func isObject(raw json.RawMessage) bool {
	return json.Valid(raw) && bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

// isFlat reports whether a schema is a list of objects. What they hold is the
// host's to check.
func isFlat(raw json.RawMessage) bool {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return false
	}
	return !slices.ContainsFunc(list, func(entry json.RawMessage) bool { return !isObject(entry) })
}

func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'
	})
}

// isSemver follows semver.org 2.0.0.
func isSemver(s string) bool {
	s, build, hasBuild := strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(s, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) != 3 {
		return false
	}
	for _, n := range numbers {
		if !isDigits(n) || leadingZero(n) {
			return false
		}
	}
	return (!hasPre || areIdentifiers(pre, true)) && (!hasBuild || areIdentifiers(build, false))
}

// areIdentifiers looks at what is between the dots of a pre-release, whose
// numbers must not start with 0, or of build metadata.
func areIdentifiers(s string, pre bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		bad := strings.ContainsFunc(id, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
		})
		if id == "" || bad || pre && isDigits(id) && leadingZero(id) {
			return false
		}
	}
	return true
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

func leadingZero(s string) bool { return len(s) > 1 && s[0] == '0' }
