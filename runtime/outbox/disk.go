package outbox

import (
	"io"
	"os"
)

// disk is where the log changes the file system, so that a test can watch the
// order of writes and syncs, and let any of them fail. Listing and reading a
// whole small file need no such place.
type disk interface {
	Open(path string, flag int) (file, error)
	Remove(path string) error
	Rename(from, to string) error
	SyncDir(dir string) error
}

// file is an open file of the log. Sync makes its data and its size durable.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// osDisk is the real file system. Nothing is mapped into memory: a mapped file
// on a full or failing disk ends the process (SIGBUS), where a read or a write
// returns an error, and is no slower.
type osDisk struct{}

// Open opens a file; one that is opened for writing belongs to this log alone
// until it is closed, or until the process ends in whatever way.
func (osDisk) Open(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	if flag&(os.O_RDWR|os.O_WRONLY) != 0 {
		if err := lock(f); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return osFile{f}, nil
}

func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) } //nolint:gosec // paths of the log's own

func (osDisk) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = syncDir(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return datasync(f.File) }
