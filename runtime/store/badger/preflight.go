package badger

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	bdg "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/runtime/fault"
)

// preflight looks at the files before Badger does, because Badger meets a
// damaged table with a panic on a goroutine of its own, with the end of the
// process, or by leaving the table out, a shortened manifest by deleting the
// tables it has lost, and a damaged log by dropping what follows.
func preflight(dir string) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock() // Badger takes the same lock itself
	if err := checkAccess(dir); err != nil {
		return err
	}
	newest, err := checkLogs(dir)
	if err != nil {
		return err
	}
	return checkTables(dir, newest)
}

// checkTables checks every table of the manifest. A table that is not in it is
// what a crash left of a flush or a compaction, and holds nothing that the
// others and the logs do not have; if it does, the manifest has lost it.
func checkTables(dir string, newest uint64) error {
	live, err := manifest(dir)
	if err != nil {
		return err
	}
	for id := range live {
		path := table.NewFilename(id, dir)
		commit, err := checkTable(path)
		if err != nil {
			return damaged(err, "the table %s is damaged", path)
		}
		newest = max(newest, commit)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the store's tables cannot be listed")
	}
	for _, path := range files {
		id, ok := table.ParseFileID(path)
		if _, known := live[id]; known || !ok {
			continue
		}
		if commit, err := checkTable(path); err == nil && commit > newest {
			return damaged(nil, "the manifest of %s has lost the table %s", dir, path)
		}
	}
	return nil
}

func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the store's directory cannot be read")
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = d.Close()
		return nil, fault.Wrap(fault.WrongState, err, "another server uses the directory %s", dir).
			WithHint("Stop the other server, or give this one a data directory of its own.")
	}
	return func() { _ = d.Close() }, nil
}

// checkAccess finds the files that this process may not use, so that a later
// failure to open one is not taken for damage, nor the other way round.
func checkAccess(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the store's directory cannot be read")
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, e.Name()), os.O_RDWR, 0)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "a file of the store cannot be opened").
				WithHint("Let the server's user read and write everything in %s.", dir)
		}
		_ = f.Close()
	}
	return nil
}

// manifest is the tables that make up the store; none for a new one.
func manifest(dir string) (map[uint64]bdg.TableManifest, error) {
	path := filepath.Join(dir, bdg.ManifestFilename)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the store's manifest cannot be opened")
	}
	defer f.Close()
	var m bdg.Manifest
	err = guard(path, func() error {
		m, _, err = bdg.ReplayManifestFile(f, 0, bdg.Options{})
		return err
	})
	if err != nil && !fault.Is(err, fault.Integrity) {
		err = damaged(err, "%s is damaged", path)
	}
	return m.Tables, err
}

// checkTable reads a whole table, checks its sums and returns the number of
// its newest commit.
func checkTable(path string) (newest uint64, err error) {
	if err := checkFooter(path); err != nil {
		return 0, err
	}
	file, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = z.Munmap(file.Data)
		_ = file.Fd.Close()
	}()
	err = guard(path, func() error {
		t, err := table.OpenTable(file, table.Options{
			ReadOnly: true, ChkMode: options.NoVerification, Compression: options.None,
		})
		if err != nil {
			return err
		}
		newest = t.MaxVersion()
		return t.VerifyChecksum()
	})
	return newest, err
}

// checkFooter follows the lengths at a table's end, with which Badger would
// end the process were they wrong: index, its length, its sum, the sum's
// length.
func checkFooter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	for range 2 {
		var raw [4]byte
		if end -= 4; end < 0 {
			return errors.New("it is too short")
		}
		if _, err := f.ReadAt(raw[:], end); err != nil {
			return err
		}
		if end -= int64(binary.BigEndian.Uint32(raw[:])); end < 0 {
			return errors.New("its footer is wrong")
		}
	}
	return nil
}
