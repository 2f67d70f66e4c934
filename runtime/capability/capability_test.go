package capability_test

import (
	"context"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func grant(resource string, rights ...spec.Right) spec.Grant {
	return spec.Grant{Group: "serial", Resources: []string{resource}, Rights: rights}
}

func TestAllows(t *testing.T) {
	usb := grant("/dev/ttyUSB*", spec.Read, spec.Write)
	for _, tt := range []struct {
		name     string
		grants   []spec.Grant
		resource string
		right    spec.Right
		want     bool
	}{
		{"nothing granted", nil, "/dev/ttyUSB0", spec.Read, false},
		{"nothing granted, nothing named", nil, "", "", false},
		{"pattern", []spec.Grant{usb}, "/dev/ttyUSB0", spec.Read, true},
		{"pattern, any right", []spec.Grant{usb}, "/dev/ttyUSB0", "", true},
		{"another name", []spec.Grant{usb}, "/dev/ttyACM0", spec.Read, false},
		{"a star ends at a slash", []spec.Grant{usb}, "/dev/ttyUSB0/../sda", spec.Read, false},
		{"the pattern is no prefix", []spec.Grant{grant("/dev/tty")}, "/dev/ttyUSB0", spec.Read, false},
		{"the pattern is no suffix", []spec.Grant{grant("ttyUSB0")}, "/dev/ttyUSB0", spec.Read, false},
		{"upper and lower case differ", []spec.Grant{grant("/dev/ttyusb0")}, "/dev/ttyUSB0", spec.Read, false},
		{"no rights mean read", []spec.Grant{grant("/dev/a")}, "/dev/a", spec.Read, true},
		{"no rights are not write", []spec.Grant{grant("/dev/a")}, "/dev/a", spec.Write, false},
		{"write is not read", []spec.Grant{grant("/dev/a", spec.Write)}, "/dev/a", spec.Read, false},
		{"an unknown right is none", []spec.Grant{grant("/dev/a", "all")}, "/dev/a", spec.Write, false},
		{"rights of one grant, resource of another", []spec.Grant{grant("/dev/a", spec.Write), grant("/dev/b", spec.Read)}, "/dev/a", spec.Read, false},
		{"the second grant", []spec.Grant{grant("/dev/a"), grant("/dev/b")}, "/dev/b", spec.Read, true},
		{"the second pattern", []spec.Grant{{Resources: []string{"/dev/a", "/dev/b"}}}, "/dev/b", spec.Read, true},
		{"a grant without resources covers none", []spec.Grant{{Rights: []spec.Right{spec.Read}}}, "/dev/a", spec.Read, false},
		{"a grant without resources covers what needs none", []spec.Grant{{}}, "", spec.Read, true},
		{"nothing named, but the right is asked", []spec.Grant{{}}, "", spec.Write, false},
		{"a broken pattern covers nothing", []spec.Grant{grant("[")}, "[", spec.Read, false},
		{"an empty pattern covers nothing", []spec.Grant{grant("")}, "/dev/a", spec.Read, false},
	} {
		if got := capability.Allows(tt.grants, tt.resource, tt.right); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if err := capability.Check("serial", tt.grants, tt.resource, tt.right); (err == nil) != tt.want {
			t.Errorf("%s: Check says %v", tt.name, err)
		}
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	for right, want := range map[spec.Right]string{"": "read", spec.Read: "read", spec.Write: "write"} {
		err := capability.Check("serial", []spec.Grant{grant("/dev/b")}, "/dev/a", right)
		if !fault.Is(err, fault.Denied) {
			t.Fatalf("%v, want denied", err)
		}
		f := fault.Of(err)
		if want := `serial: no grant covers "/dev/a" with the right to ` + want; f.Text != want {
			t.Errorf("text %q, want %q", f.Text, want)
		}
		command := "`snaprail grants add CONNECTOR serial \"/dev/a\"" + map[string]string{"write": " --write"}[want] + "`"
		if !strings.Contains(f.Advice(), command) {
			t.Errorf("the hint %q does not say %s", f.Advice(), command)
		}
	}
}

// TestCheckSaysLittleOfALongName: a guest that asks for a mebibyte is not quoted.
func TestCheckSaysLittleOfALongName(t *testing.T) {
	f := fault.Of(capability.Check("file", nil, "/"+strings.Repeat("\x00", 1<<20), spec.Read))
	if f.Kind != fault.Denied || len(f.Text) > 4<<10 || len(f.Advice()) > 4<<10 || !strings.Contains(f.Text, `..."`) {
		t.Errorf("%s: %d bytes, and a hint of %d: %.100s", f.Kind, len(f.Text), len(f.Advice()), f.Text)
	}
}

// FuzzAllows: what a grant covers is what path.Match says of its pattern, and
// never more.
func FuzzAllows(f *testing.F) {
	f.Add("/dev/ttyUSB*", "/dev/ttyUSB0", true)
	f.Add("/dev/*", "/dev/shm/x", false)
	f.Add("[", "[", true)
	f.Add(`\*`, "*", false)
	f.Add("*", "..", true)
	f.Add("/a/[^b]", "/a//", true)
	f.Add("\xff?", "\xff\x00", false)
	f.Fuzz(func(t *testing.T, pattern, resource string, write bool) {
		right := spec.Read
		if write {
			right = spec.Write
		}
		if resource == "" {
			return // names nothing: any grant of the group does
		}
		ok, err := path.Match(pattern, resource)
		got := capability.Allows([]spec.Grant{grant(pattern, right)}, resource, right)
		if want := ok && err == nil; got != want {
			t.Fatalf("the pattern %q on %q: %v, path.Match says %v, %v", pattern, resource, got, ok, err)
		}
		other := spec.Write
		if write {
			other = spec.Read
		}
		if capability.Allows([]spec.Grant{grant(pattern, right)}, resource, other) {
			t.Fatalf("the right to %s gave the right to %s", right, other)
		}
		if !strings.ContainsAny(pattern, `*?[\`) && got && pattern != resource {
			t.Fatalf("the plain name %q covered %q", pattern, resource)
		}
	})
}

// named is a group with functions.
type named struct {
	name      string
	functions []string
}

func (n named) Name() string { return n.name }
func (n named) Functions() (all []capability.Function) {
	for _, f := range n.functions {
		all = append(all, capability.Function{Name: f, Sentence: f})
	}
	return all
}
func (named) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }
func (named) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return nil, fault.New(fault.Unsupported, "not opened here")
}

type selfContained struct{ named }

func (selfContained) Contained() {}

func TestRegistry(t *testing.T) {
	serial := named{"serial", []string{"open", "write"}}
	r := capability.NewRegistry(serial, selfContained{named{"log", []string{"line"}}}, named{"http", nil}, named{"http", []string{"request"}})
	var names []string
	for _, g := range r.Groups() {
		names = append(names, g.Name())
	}
	if want := []string{"http", "log", "serial"}; !slices.Equal(names, want) {
		t.Errorf("groups %v, want %v", names, want)
	}
	if _, ok := r.Group("kafka"); ok {
		t.Error("there is no kafka")
	}
	g, ok := r.Group("http")
	if _, found := capability.Find(g, "request"); !ok || !found {
		t.Error("the later group of a name takes its place")
	}
	if _, found := capability.Find(serial, "read"); found {
		t.Error("serial has no read here")
	}
	logs, _ := r.Group("log")
	if !capability.IsContained(logs) || capability.IsContained(serial) {
		t.Error("log alone needs no grant")
	}
	if !capability.Opens(serial) || capability.Opens(logs) {
		t.Error("a guest opens serial, and never log")
	}
	if empty := (capability.Registry{}); len(empty.Groups()) != 0 {
		t.Error("the zero registry has no groups")
	} else if _, ok := empty.Group("log"); ok {
		t.Error("the zero registry has no log")
	}
}
