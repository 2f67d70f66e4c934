package outbox

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// A real full disk: a small tmpfs, which only root can mount.
func TestAFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := small()
	cfg.SegmentBytes = 200 * kib
	l := mustOpen(t, filepath.Join(dir, "log"), cfg)
	acked := 0
	put := func() error {
		_, err := l.Append(t.Context(), blockOf("a", 1, uint64(acked)*30, 30))
		if err == nil {
			acked++
		}
		return err
	}
	var err error
	for err == nil {
		err = put()
	}
	wantKind(t, err, fault.DiskFull)
	atFull := acked
	for range 50 {
		if err := put(); err != nil {
			wantKind(t, err, fault.DiskFull)
		}
	}
	mustClose(t, l)
	l = mustOpen(t, filepath.Join(dir, "log"), cfg) // a full disk is no reason not to read
	if got := drain(t, l, 0); len(got.seqs) != acked {
		t.Fatalf("%d blocks, %d were acknowledged", len(got.seqs), acked)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := put(); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	if got := drain(t, l, 0); len(got.seqs) != acked || got.gaps != nil {
		t.Fatalf("%d blocks, %d were acknowledged; gaps %v", len(got.seqs), acked, got.gaps)
	}
	t.Logf("full after %d blocks", atFull)
}
