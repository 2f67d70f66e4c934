package snaprail_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// noNouns are names that say nothing about what a package is.
var noNouns = []string{"base", "common", "helper", "helpers", "lib", "manager", "managers", "misc", "shared", "type", "types", "util", "utils"}

// TestPackagesSayWhatTheyAre wants a package comment for every package, and a
// name that is a noun of its own.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	for _, fault := range namelessOrMute(sources(t)) {
		t.Error(fault)
	}
}

func namelessOrMute(files []source) []string {
	var all []string
	docs := make(map[string]string) // by folder
	for _, s := range files {
		if s.isTest() {
			continue
		}
		if strings.HasPrefix(s.doc, "Package "+s.pkg+" ") || (s.pkg == "main" && s.doc != "") {
			docs[s.dir] = s.doc
		} else if _, known := docs[s.dir]; !known {
			docs[s.dir] = ""
		}
		if slices.Contains(noNouns, s.pkg) || slices.Contains(noNouns, path.Base(s.dir)) {
			all = append(all, s.dir+": "+s.pkg+" does not say what it is; name it after the one thing it holds")
		}
	}
	for dir, doc := range docs {
		if doc == "" {
			all = append(all, dir+`: no package comment that starts with "Package <name> "; say what it is, who may import it, and what always holds`)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestPackageRulesSeeFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		file source
		want string
	}{
		{"documented", source{dir: "runtime/flow", name: "flow.go", pkg: "flow", doc: "Package flow is the road.\n"}, ""},
		{"mute", source{dir: "runtime/flow", name: "flow.go", pkg: "flow"}, "no package comment"},
		{"another package's comment", source{dir: "runtime/flow", name: "flow.go", pkg: "flow", doc: "Package road is.\n"}, "no package comment"},
		{"a command", source{dir: "cmd/snaprail", name: "main.go", pkg: "main", doc: "Snaprail is.\n"}, ""},
		{"a mute command", source{dir: "cmd/snaprail", name: "main.go", pkg: "main"}, "no package comment"},
		{"no noun", source{dir: "runtime/util", name: "util.go", pkg: "util", doc: "Package util is.\n"}, "does not say what it is"},
		{"a test", source{dir: "runtime/flow", name: "flow_test.go", pkg: "flow"}, ""},
	} {
		got := strings.Join(namelessOrMute([]source{tt.file}), "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
