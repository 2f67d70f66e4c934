package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// eventually waits for something that a goroutine does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("waited for " + what)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// TestWatchedDirectoryIsKept: applied when it changes, drift told once, and
// trouble too, without a change of what is there.
func TestWatchedDirectoryIsKept(t *testing.T) {
	ctx, log := t.Context(), &lines{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	s, err := openServer(ctx, t.TempDir(), keySource{env: func(string) string { return "" }}, 0, spec.Ceiling{}, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	tenant, err := s.control.Tenant(defaultTenant)
	if err != nil {
		t.Fatal(err)
	}
	tenant = tenant.By(identity.OfServer(defaultTenant))
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	has := func(name, operation string) func() bool {
		return func() bool {
			c, err := tenant.Category(ctx, name)
			if err != nil && !fault.Is(err, fault.NotFound) {
				t.Fatal(err)
			}
			return err == nil && len(c.Operations) == 1 && c.Operations[0].Name == operation
		}
	}
	write("a.yaml", "kind: category\nname: lifting\noperations: [{name: lift}]\n")
	w := &watcher{dir: dir, tenant: tenant, log: logger, every: time.Millisecond, drift: 20 * time.Millisecond}
	stop := w.start(ctx)
	eventually(t, "the first apply", has("lifting", "lift"))

	write("a.yaml", "kind: category\nname: lifting\noperations: [{name: drop}]\n")
	write("b.json", `{"kind": "category", "name": "sinking", "operations": [{"name": "sink"}]}`)
	eventually(t, "a change", has("lifting", "drop"))
	eventually(t, "another file", has("sinking", "sink"))

	if _, err := tenant.UpdateCategory(ctx, "lifting", spec.Category{Operations: []spec.Operation{{Name: "heave"}}}, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the drift", func() bool { return log.count("level=WARN msg=\"drift:") > 0 })
	if !has("lifting", "heave")() {
		t.Error("the drift was taken back without a change of the directory")
	}

	write("b.json", `{"kind": "category",`)
	eventually(t, "the trouble", func() bool { return log.count("documents cannot be read") > 0 })
	write("b.json", `{"kind": "category", "name": "sinking", "operations": [{"name": "swim"}]}`)
	eventually(t, "the mended file", has("sinking", "swim"))
	eventually(t, "the drift's end", has("lifting", "drop"))

	write("c.yaml", "kind: secret\nname: absent\n")
	eventually(t, "the missing secret", func() bool { return log.count("document not applied") > 0 })
	if _, err := tenant.SetSecret(ctx, "absent", []byte("a value"), 0); err != nil {
		t.Fatal(err)
	}
	stop()
	w.next = time.Time{}
	if w.pass(ctx); w.failed {
		t.Error("what failed was not tried again")
	}
	for _, told := range []string{"level=WARN msg=\"drift:", "documents cannot be read", "document not applied"} {
		if n := log.count(told); n > 2 {
			t.Errorf("%s was logged %d times", told, n)
		}
	}
	w.prune = true
	if err := os.Remove(filepath.Join(dir, "b.json")); err != nil {
		t.Fatal(err)
	}
	w.pass(ctx)
	if _, err := tenant.Category(ctx, "sinking"); !fault.Is(err, fault.NotFound) {
		t.Errorf("it was not pruned: %v", err)
	}
	if docs, err := tenant.Export(ctx); err != nil || len(docs) != 2 {
		t.Errorf("%s, %v", docs, err)
	}
}
