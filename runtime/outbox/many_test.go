package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// A process keeps a log per tenant. An idle one costs a file and no goroutine.
func TestTwoHundredLogs(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Reserve: -1, Syncs: NewSyncs(8)}
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	logs := make([]*Log, 200)
	for i := range logs {
		logs[i] = mustOpen(t, filepath.Join(dir, fmt.Sprint(i)), cfg)
	}
	if n := openFiles(t) - files; n != 0 {
		t.Errorf("200 empty logs hold %d files", n)
	}
	var wg sync.WaitGroup
	for _, l := range logs {
		wg.Go(func() { fill(t, l, "a", 5) })
	}
	wg.Wait()
	eventually(t, "all committers to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := openFiles(t) - files; n > 200 {
		t.Errorf("200 logs hold %d files", n)
	}
	for _, l := range logs {
		if got := drain(t, l, 0); len(got.seqs) != 5 {
			t.Fatalf("%d blocks", len(got.seqs))
		}
		mustClose(t, l)
	}
	if n := openFiles(t) - files; n != 0 {
		t.Errorf("%d files are open after all were closed", n)
	}
	for i := range logs {
		logs[i] = mustOpen(t, filepath.Join(dir, fmt.Sprint(i)), cfg)
		if logs[i].Head() != 5 {
			t.Fatalf("head %d", logs[i].Head())
		}
	}
	if n := openFiles(t) - files; n > 200 {
		t.Errorf("200 logs that were opened again hold %d files", n)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("needs /proc to count open files: %v", err)
	}
	return len(entries)
}
