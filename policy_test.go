package snaprail_test

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// counts is how many behaviours each source system has: S0.1 to S0.28, S1.1 to
// S1.104, and so on.
var counts = []int{28, 104, 85, 109, 100}

const abuseCases = 60

// ledger is the policy of one list of promises: which numbers it must have,
// and which states a row may be in.
type ledger struct {
	file    string
	numbers []string
	states  []string
}

func behaviours() ledger {
	l := ledger{file: "testdata/behaviours.tsv", states: []string{"done", "different", "not-yet"}}
	for s, n := range counts {
		for i := range n {
			l.numbers = append(l.numbers, fmt.Sprintf("S%d.%d", s, i+1))
		}
	}
	return l
}

func abuse() ledger {
	l := ledger{file: "testdata/abuse.tsv", states: []string{"done", "not-yet"}}
	for i := range abuseCases {
		l.numbers = append(l.numbers, fmt.Sprintf("%02d", i+1))
	}
	return l
}

// faults judges the rows of a list. exists reports whether a test of this name
// is there.
func (l ledger) faults(text string, exists func(test string) bool) []string {
	var all []string
	seen := make(map[string]bool)
	line := 0
	for row := range strings.Lines(text) {
		line++
		row = strings.TrimRight(row, "\n")
		if row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		cols := strings.Split(row, "\t")
		number := cols[0]
		say := func(format string, args ...any) {
			all = append(all, fmt.Sprintf("%s:%d: %s: %s", l.file, line, number, fmt.Sprintf(format, args...)))
		}
		switch {
		case !slices.Contains(l.numbers, number):
			say("no such number")
		case seen[number]:
			say("a second row of this number")
		}
		seen[number] = true
		if len(cols) != 4 {
			say("%d columns, want number, test, state, note", len(cols))
			continue
		}
		for _, why := range l.rowFaults(cols[1], cols[2], cols[3], exists) {
			say("%s", why)
		}
	}
	for _, number := range l.numbers {
		if !seen[number] {
			all = append(all, fmt.Sprintf("%s: no row for %s", l.file, number))
		}
	}
	return all
}

func (l ledger) rowFaults(test, state, note string, exists func(string) bool) []string {
	var all []string
	if !slices.Contains(l.states, state) {
		all = append(all, fmt.Sprintf("state %q, want one of %s", state, strings.Join(l.states, ", ")))
	}
	if state == "done" && test == "" {
		all = append(all, "done, but no test is named")
	}
	if state == "different" && strings.TrimSpace(note) == "" {
		all = append(all, "different, but no note says how")
	}
	if test != "" && !exists(test) {
		all = append(all, "there is no test "+test)
	}
	return all
}

// testFinder gives a function that reports whether a test exists: a test
// function ("TestX", "TestX/with_subtest", "FuzzX"), or a script by its path.
func testFinder(t *testing.T) func(string) bool {
	t.Helper()
	known := make(map[string]bool)
	for _, s := range sources(t) {
		if !s.isTest() {
			continue
		}
		for _, name := range s.funcs {
			known[name] = true
		}
	}
	return func(test string) bool {
		if path.Ext(test) == ".txtar" {
			return strings.Contains(path.Dir("/"+test)+"/", "/testdata/script/") && isFile(test)
		}
		name, _, _ := strings.Cut(test, "/")
		return known[name] && (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz"))
	}
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func TestBehaviours(t *testing.T) { testLedger(t, behaviours()) }

func TestAbuse(t *testing.T) { testLedger(t, abuse()) }

func testLedger(t *testing.T, l ledger) {
	t.Helper()
	text, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range l.faults(string(text), testFinder(t)) {
		t.Error(fault)
	}
}

// TestLedgersSeeFaults plants rows and looks whether the policy sees them.
func TestLedgersSeeFaults(t *testing.T) {
	if n := len(behaviours().numbers); n != 426 {
		t.Errorf("%d behaviours, want 426", n)
	}
	l := ledger{file: "x.tsv", numbers: []string{"S0.1", "S0.2"}, states: []string{"done", "different", "not-yet"}}
	const rest = "S0.2\t\tnot-yet\t\n"
	for _, tt := range []struct{ name, text, want string }{
		{"all well", "# head\nS0.1\tTestReal\tdone\t\n" + rest, ""},
		{"well and different", "S0.1\t\tdifferent\tby a table instead\n" + rest, ""},
		{"unknown number", "S0.1\t\tnot-yet\t\n" + rest + "S9.1\t\tnot-yet\t\n", "no such number"},
		{"twice", "S0.1\t\tnot-yet\t\n" + rest + rest, "a second row"},
		{"missing", "S0.1\t\tnot-yet\t\n", "no row for S0.2"},
		{"no test named", "S0.1\t\tdone\t\n" + rest, "no test is named"},
		{"no such test", "S0.1\tTestGone\tdone\t\n" + rest, "there is no test TestGone"},
		{"no note", "S0.1\t\tdifferent\t \n" + rest, "no note says how"},
		{"no such state", "S0.1\t\tmaybe\t\n" + rest, `state "maybe"`},
		{"columns", "S0.1\tnot-yet\n" + rest, "2 columns"},
	} {
		got := strings.Join(l.faults(tt.text, func(test string) bool { return test == "TestReal" }), "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	exists := testFinder(t)
	for test, want := range map[string]bool{
		"TestBehaviours": true, "TestLayers/any": true, "TestNowhere": false, "isFile": false,
		"testdata/script/nowhere.txtar": false, "testdata/behaviours.tsv": false,
	} {
		if exists(test) != want {
			t.Errorf("exists(%q) = %v, want %v", test, !want, want)
		}
	}
}
