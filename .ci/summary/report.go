package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of go test -json (see go doc test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// result is what one test came to.
type result struct {
	action string // run, pass, fail, skip
	output strings.Builder
}

// report collects the events of a run and prints each package as it ends.
type report struct {
	out                     io.Writer
	tests                   map[string]map[string]*result // by package, by test
	builds                  map[string]*strings.Builder   // compiler output by import path
	passed, failed, skipped int
	skips                   []string
}

func newReport(out io.Writer) *report {
	return &report{
		out:    out,
		tests:  make(map[string]map[string]*result),
		builds: make(map[string]*strings.Builder),
	}
}

// read takes events until the stream ends. A line that is no event is printed
// as it is.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.add(e)
			} else {
				_, _ = r.out.Write(line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	if e.Action == "build-output" {
		b := r.builds[e.ImportPath]
		if b == nil {
			b = new(strings.Builder)
			r.builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	t := r.test(e.Package, e.Test)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "run", "pass", "fail", "skip":
		t.action = e.Action
		if e.Test == "" {
			r.endPackage(e)
		}
	}
}

// test is the entry of a test; the package itself is the test "".
func (r *report) test(pkg, name string) *result {
	if r.tests[pkg] == nil {
		r.tests[pkg] = make(map[string]*result)
	}
	t := r.tests[pkg][name]
	if t == nil {
		t = new(result)
		r.tests[pkg][name] = t
	}
	return t
}

// endPackage counts a package's tests and prints its line. Counted are the
// tests without subtests, and a fuzz target's seeds as one test, so that a
// long table does not look like many tests.
func (r *report) endPackage(e event) {
	tests := r.tests[e.Package]
	delete(r.tests, e.Package)
	var passed, failed, skipped int
	for _, name := range names(tests) {
		t := tests[name]
		if t.action == "run" { // the process ended before the test did
			t.action = "fail"
		}
		switch t.action {
		case "pass":
			if !hasSubtests(tests, name) && !isSeed(name) {
				passed++
			}
		case "skip":
			skipped++
			r.skips = append(r.skips, fmt.Sprintf("%s %s: %s", short(e.Package), name, reason(t.output.String())))
		case "fail":
			if !anyFailedBelow(tests, name) {
				failed++
			}
			fmt.Fprint(r.out, t.output.String())
		}
	}
	if e.Action == "fail" && failed == 0 { // a build, TestMain, or a leak found at the end
		failed = 1
		if b := r.builds[e.FailedBuild]; b != nil {
			fmt.Fprint(r.out, b.String())
		}
		fmt.Fprint(r.out, tests[""].output.String())
	}
	r.passed, r.failed, r.skipped = r.passed+passed, r.failed+failed, r.skipped+skipped
	r.line(e, passed, failed, skipped)
}

func (r *report) line(e event, passed, failed, skipped int) {
	pkg := short(e.Package)
	switch {
	case failed > 0:
		fmt.Fprintf(r.out, "FAIL  %-36s %7.2fs  %d passed, %d failed, %d skipped\n", pkg, e.Elapsed, passed, failed, skipped)
	case passed+skipped == 0:
		fmt.Fprintf(r.out, "-     %-36s           no tests\n", pkg)
	case skipped > 0:
		fmt.Fprintf(r.out, "ok    %-36s %7.2fs  %d passed, %d skipped\n", pkg, e.Elapsed, passed, skipped)
	default:
		fmt.Fprintf(r.out, "ok    %-36s %7.2fs  %d passed\n", pkg, e.Elapsed, passed)
	}
}

// short is a package's folder.
func short(pkg string) string {
	return strings.TrimPrefix(pkg, "github.com/snaprail/snaprail/")
}

// close prints the skips and the closing line, and reports whether the run
// has failed.
func (r *report) close(strict bool) (failed bool) {
	for pkg := range r.tests { // go test died before these packages ended
		r.failed++
		fmt.Fprintf(r.out, "FAIL  %s did not end\n", pkg)
	}
	if len(r.skips) > 0 {
		slices.Sort(r.skips)
		fmt.Fprintf(r.out, "\nskipped:\n  %s\n", strings.Join(r.skips, "\n  "))
	}
	if r.passed+r.failed == 0 {
		fmt.Fprintln(r.out, "no test ran")
		failed = true
	}
	if strict && r.skipped > 0 {
		fmt.Fprintln(r.out, "a skipped test is a failure in a strict run")
		failed = true
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return failed || r.failed > 0
}

// names lists a package's tests in order, without the package itself.
func names(tests map[string]*result) []string {
	all := make([]string, 0, len(tests))
	for name := range tests {
		if name != "" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func isSeed(name string) bool {
	return strings.HasPrefix(name, "Fuzz") && strings.Contains(name, "/")
}

func hasSubtests(tests map[string]*result, name string) bool {
	if strings.HasPrefix(name, "Fuzz") {
		return false
	}
	return below(tests, name, func(*result) bool { return true })
}

func anyFailedBelow(tests map[string]*result, name string) bool {
	return below(tests, name, func(t *result) bool { return t.action == "fail" || t.action == "run" })
}

func below(tests map[string]*result, name string, match func(*result) bool) bool {
	for other, t := range tests {
		if strings.HasPrefix(other, name+"/") && match(t) {
			return true
		}
	}
	return false
}

// reason is what a test said when it skipped itself, without the framework's
// own lines.
func reason(output string) string {
	var said []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, " ")
}
