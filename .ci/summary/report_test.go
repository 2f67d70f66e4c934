package main

import (
	"strings"
	"testing"
)

// summarise feeds events to a report and gives what it printed.
func summarise(t *testing.T, strict bool, events ...string) (text string, failed bool) {
	t.Helper()
	var out strings.Builder
	r := newReport(&out)
	if err := r.read(strings.NewReader(strings.Join(events, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	failed = r.close(strict)
	return out.String(), failed
}

func TestReport(t *testing.T) {
	const (
		pass = `{"Action":"pass","Package":"p","Elapsed":0.1}`
		fail = `{"Action":"fail","Package":"p","Elapsed":0.1}`
	)
	for _, tt := range []struct {
		name   string
		strict bool
		events []string
		want   []string
		failed bool
	}{
		{
			name:   "a parent is not counted beside its subtests",
			events: []string{`{"Action":"pass","Package":"p","Test":"TestA/x"}`, `{"Action":"pass","Package":"p","Test":"TestA/y"}`, `{"Action":"pass","Package":"p","Test":"TestA"}`, pass},
			want:   []string{"2 passed, 0 failed, 0 skipped\n"},
		},
		{
			name:   "seeds of a fuzz target are one test",
			events: []string{`{"Action":"pass","Package":"p","Test":"FuzzA/seed#0"}`, `{"Action":"pass","Package":"p","Test":"FuzzA/seed#1"}`, `{"Action":"pass","Package":"p","Test":"FuzzA"}`, pass},
			want:   []string{"1 passed, 0 failed, 0 skipped\n"},
		},
		{
			name:   "a failure shows its output",
			events: []string{`{"Action":"output","Package":"p","Test":"TestA","Output":"a_test.go:3: broken\n"}`, `{"Action":"fail","Package":"p","Test":"TestA"}`, fail},
			want:   []string{"a_test.go:3: broken", "FAIL  p", "0 passed, 1 failed, 0 skipped\n"},
			failed: true,
		},
		{
			name:   "a test that never ended has failed",
			events: []string{`{"Action":"run","Package":"p","Test":"TestA"}`, `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: no\n"}`, fail},
			want:   []string{"panic: no", "0 passed, 1 failed, 0 skipped\n"},
			failed: true,
		},
		{
			name:   "a package can fail without a failed test",
			events: []string{`{"Action":"pass","Package":"p","Test":"TestA"}`, `{"Action":"output","Package":"p","Output":"goleak: found\n"}`, fail},
			want:   []string{"goleak: found", "1 passed, 1 failed, 0 skipped\n"},
			failed: true,
		},
		{
			name:   "a build failure shows the compiler's words",
			events: []string{`{"Action":"build-output","ImportPath":"p [p.test]","Output":"x.go:1: undefined: y\n"}`, `{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`},
			want:   []string{"undefined: y", "0 passed, 1 failed, 0 skipped\n"},
			failed: true,
		},
		{
			name:   "a skip is named with its reason",
			events: []string{`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:9: needs a port\n"}`, `{"Action":"skip","Package":"p","Test":"TestA"}`, `{"Action":"pass","Package":"p","Test":"TestB"}`, pass},
			want:   []string{"p TestA: a_test.go:9: needs a port", "1 passed, 0 failed, 1 skipped\n"},
		},
		{
			name:   "a skip fails a strict run",
			strict: true,
			events: []string{`{"Action":"skip","Package":"p","Test":"TestA"}`, `{"Action":"pass","Package":"p","Test":"TestB"}`, pass},
			want:   []string{"1 passed, 0 failed, 1 skipped\n"},
			failed: true,
		},
		{
			name:   "nothing tested is a failure",
			events: []string{`{"Action":"skip","Package":"p"}`},
			want:   []string{"no test ran", "0 passed, 0 failed, 0 skipped\n"},
			failed: true,
		},
		{
			name:   "a package that never ended is a failure",
			events: []string{`{"Action":"start","Package":"p"}`},
			want:   []string{"p did not end", "0 passed, 1 failed, 0 skipped\n"},
			failed: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, failed := summarise(t, tt.strict, tt.events...)
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
			if failed != tt.failed {
				t.Errorf("failed = %v, want %v", failed, tt.failed)
			}
			lines := strings.Split(strings.TrimSpace(text), "\n")
			if last := lines[len(lines)-1]; !strings.HasSuffix(last, " skipped") {
				t.Errorf("the last line is %q, not the count", last)
			}
		})
	}
}
