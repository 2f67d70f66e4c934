package file

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What became a link after the check is not followed, on the way either, and a
// pipe does not hold up the open.
func TestOpenWithoutLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	real := filepath.Join(dir, "real")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(real, "data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"real/data": true, "link/data": false, "link": false, "pipe": true} {
		f, err := openWithoutLinks(filepath.Join(dir, path))
		if want != (err == nil) {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			f.Close()
		}
	}
}
