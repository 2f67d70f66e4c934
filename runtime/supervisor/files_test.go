package supervisor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// textFile is a source that can be read again from any point.
type textFile struct{ path string }

func newTextFile(t *testing.T) *textFile {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &textFile{filepath.Join(dir, "source.txt")}
}

func numbered(i int) string { return fmt.Sprintf("line %06d\n", i) }

func (f *textFile) append(t *testing.T, from, to int) {
	t.Helper()
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for i := from; i <= to; i++ {
		if _, err := file.WriteString(numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *textFile) expect(t *testing.T, s *records, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if got, want := string(s.next().Payload), numbered(i); got != want {
			t.Fatalf("line %q, want %q", got, want)
		}
	}
}

// from is a stream behind everything that the connector committed before this
// start.
func (*records) from(r *rig, v control.ConnectorView) *records {
	r.t.Helper()
	s := r.stream("")
	for {
		if rec := s.next(); rec.Sequence == 599 && rec.Connector == v.ID && rec.Epoch == 1 {
			return s
		}
	}
}

func fileGrant(path string) []spec.Grant {
	return []spec.Grant{{Group: "file", Resources: []string{path}}}
}

func pollEvery(ms int) spec.Poll {
	return spec.Poll{Interval: spec.Duration(time.Duration(ms) * time.Millisecond)}
}
