package mqtt

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/runtime/spec"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"a/", "a", false},
		{"a", "a/", false},
		{"#", "a", true},
		{"#", "a/b/c", true},
		{"#", "/", true},
		{"#", "$SYS/a", false},
		{"+", "$SYS", false},
		{"+/a", "$SYS/a", false},
		{"$SYS/#", "$SYS/a", true},
		{"$SYS/#", "$SYS", true},
		{"$SYS/+", "$SYS/a", true},
		{"$S/#", "$SYS/a", false},
		{"a/#", "a", true},
		{"a/#", "a/", true},
		{"a/#", "a/b/c", true},
		{"a/#", "ab", false},
		{"a/+/#", "a", false},
		{"a/+/#", "a/b", true},
		{"+", "a", true},
		{"+", "", true},
		{"+", "a/b", false},
		{"+/+", "/a", true},
		{"+/+", "a", false},
		{"/+", "/a", true},
		{"/+", "a", false},
		{"a/+/c", "a//c", true},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/d", false},
		{"a/+/c", "a/b/c/d", false},
	} {
		if got := matches(c.filter, c.topic); got != c.want {
			t.Errorf("%q lets %q through: %v", c.filter, c.topic, got)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		pattern, resource string
		want              bool
	}{
		{"topic:#", "topic:a/b", true},
		{"topic:#", "topic:a/#", true},
		{"topic:#", "topic:+/x", true},
		{"topic:#", "topic:$SYS/#", false},
		{"topic:#", "topic:$x", false},
		{"topic:+/x", "topic:$SYS/x", false},
		{"topic:a/+", "topic:a/b", true},
		{"topic:a/+", "topic:a/+", true},
		{"topic:a/+", "topic:a/#", false},
		{"topic:a/#", "topic:a", true},
		{"topic:a/#", "topic:a/+/b", true},
		{"topic:a/+/#", "topic:a/#", false},
		{"topic:a", "topic:+", false},
		{"topic:a/b", "topic:a", false},
		{"topic:$SYS/#", "topic:$SYS/broker/+", true},
		{"topic:#", "topic:$share/g/a", false},
		{"topic:$share/g/#", "topic:$share/g/a", true},
		{"topic:$share/g/#", "topic:$share/h/a", false},
		{"topic:$share/+/a/#", "topic:$share/h/a/b", true},
		{"topic:$share/+/#", "topic:$share/h/$SYS/a", false},
		{"topic:$share/+/a", "topic:a", false},
		{"topic:$share/g/a", "topic:a", false},
		{"topic:a", "topic:a#", false},
		{"topic:a*", "topic:ab", false},
		{"broker:b:1883", "broker:b:1883", true},
		{"broker:*:1883", "broker:b:1883", true},
		{"broker:b:*", "broker:b:8883", true},
		{"broker:*.x:1883", "broker:b.y:1883", false},
		{"broker:*:*", "broker:*:1883", false},
		{"broker:b:1883", "topic:b:1883", false},
		{"topic:#", "broker:b:1883", false},
		{"cidr:10.0.0.0/8", "cidr:10.1.0.0/16", true},
		{"cidr:10.0.0.0/8", "broker:10.0.0.1:1883", false},
	} {
		if got := covers(c.pattern, c.resource); got != c.want {
			t.Errorf("%q covers %q: %v", c.pattern, c.resource, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, good := range []string{"broker:b:1883", "broker:*:8883", `broker:\[::1\]:1883`, "broker:10.0.0.1:*", "topic:a", "topic:a/+/b/#", "topic:#", "topic:$SYS/#", "topic:$share/g/#", "topic:$share/+/a", "topic:/", "cidr:10.0.0.0/8"} {
		if err := checkPattern(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "b:1883", "broker:", "broker:b", "broker:B:1883", "broker:mqtt://b:1883", "broker:b:1883/x", "broker:[::1]", "broker:010.0.0.1:1883", "broker:b:", "mqtt://b:1883",
		"topic:", "topic:a#", "topic:#/a", "topic:a+", "topic:a*", "topic:$share/g", "topic:$share//a", "topic:$share/a+/b", "topic:a\x00", "topic:\xff", "topic:" + strings.Repeat("/", 200), "cidr:x",
	} {
		if checkPattern(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Whatever a filter lets through, a filter that it is within lets through.
func TestWithin(t *testing.T) {
	level := rapid.SampledFrom([]string{"a", "b", "", "$x", "+", "#"})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string, levels *rapid.Generator[string]) string {
			return strings.Join(rapid.SliceOfN(levels, 1, 4).Draw(t, what), "/")
		}
		wide, narrow := draw("wide", level), draw("narrow", level)
		topic := draw("topic", rapid.SampledFrom([]string{"a", "b", "", "$x", "c"}))
		if checkFilter(wide) != nil || checkFilter(narrow) != nil || checkTopic(topic) != nil {
			return
		}
		if within(wide, narrow) && matches(narrow, topic) && !matches(wide, topic) {
			t.Fatalf("%q is within %q, but only it lets %q through", narrow, wide, topic)
		}
		if !strings.ContainsAny(narrow, "+#") && within(wide, narrow) != matches(wide, narrow) {
			t.Fatalf("%q, %q: within is %v, matches is not", wide, narrow, within(wide, narrow))
		}
	})
}

func FuzzCovers(f *testing.F) {
	f.Add("topic:a/#", "topic:a/b")
	f.Add("broker:*:1883", "broker:b:1883")
	f.Add("cidr:10.0.0.0/8", "cidr:10.0.0.0/9")
	f.Fuzz(func(t *testing.T, pattern, resource string) {
		if covers(pattern, resource) && checkPattern(pattern) != nil {
			t.Errorf("%q is no pattern, and covers %q", pattern, resource)
		}
		_, _ = (*Group)(nil).Target([]byte(pattern)) // does not panic
	})
}

func TestRights(t *testing.T) {
	list := []spec.Grant{
		{Resources: []string{"topic:r/#"}},
		{Resources: []string{"topic:w/+"}, Rights: []spec.Right{spec.Write}},
		{Resources: []string{"topic:rw"}, Rights: []spec.Right{spec.Read, spec.Write}},
	}
	for what, want := range map[string][2]bool{"r/x": {true, false}, "w/x": {false, true}, "w/x/y": {false, false}, "rw": {true, true}, "other": {false, false}} {
		if got := [2]bool{granted(list, "broker:b:1", what, spec.Read), granted(list, "broker:b:1", what, spec.Write)}; got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
}
