package outbox

import (
	"errors"
	"os"
	"syscall"
)

// errLocked is what lock reports for a file that another log has open.
var errLocked = errors.New("the file is open in another process or log")

// lock takes the file for this log alone. The lock goes with the process, so
// a kill leaves none behind. A file system that knows no locks has none.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return nil
}

// datasync makes the file's data and size durable, without the times, which
// nobody needs and which cost a second write.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func syncDir(f *os.File) error { return f.Sync() }

// freeBytes is what an unprivileged process can still write to dir's disk.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil //nolint:gosec // no disk has 2^63 blocks
}

// isFull reports whether err says that there is no room for more.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
