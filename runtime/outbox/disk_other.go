//go:build !linux

package outbox

import (
	"errors"
	"math"
	"os"
	"syscall"
)

var errLocked = errors.New("the file is open in another process or log")

// Where there is no portable call, the log goes without: no lock, no gate.
func lock(*os.File) error             { return nil }
func datasync(f *os.File) error       { return f.Sync() }
func freeBytes(string) (int64, error) { return math.MaxInt64, nil }
func isFull(err error) bool           { return errors.Is(err, syscall.ENOSPC) }

// syncDir does what the system offers; some cannot sync a directory.
func syncDir(f *os.File) error {
	_ = f.Sync()
	return nil
}
