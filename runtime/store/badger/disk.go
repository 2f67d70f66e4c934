package badger

import (
	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/runtime/fault"
)

// roomForTables is what opening and closing may write: the memory tables, and a
// compaction of the first level. It is below the least reserve, so that a store
// which may not be written may still be read.
const roomForTables = (memTables + levelZeroTables) * memTableSize

// disk is the gate before every write. Badger extends its files sparsely and
// writes through memory maps, so that a full disk shows as a SIGBUS that
// nothing can catch.
type disk struct {
	dir     string
	reserve uint64
	usage   func(dir string) (free, total uint64, err error)
}

func newDisk(cfg *Config) *disk {
	d := &disk{dir: cfg.Dir, reserve: cfg.Reserve, usage: cfg.Disk}
	if d.usage == nil {
		d.usage = statfs
	}
	return d
}

func (d *disk) roomToWrite() error {
	free, total, err := d.room()
	if err != nil {
		return err
	}
	reserve := d.reserve
	if reserve == 0 {
		reserve = min(max(total/20, 256<<20), 2<<30)
	}
	return d.enough(free, reserve, "nothing is written")
}

func (d *disk) roomToOpen() error {
	free, _, err := d.room()
	if err != nil {
		return err
	}
	return d.enough(free, roomForTables, "the store is not touched")
}

func (d *disk) room() (free, total uint64, err error) {
	free, total, err = d.usage(d.dir)
	if err != nil {
		return 0, 0, fault.Wrap(fault.Internal, err, "the free space of the store's disk is unknown")
	}
	return free, total, nil
}

func (d *disk) enough(free, need uint64, text string) error {
	if free >= need {
		return nil
	}
	return fault.New(fault.DiskFull, "the disk of %s has %d MiB free: below %d MiB %s",
		d.dir, free>>20, need>>20, text)
}

func statfs(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	size := uint64(s.Bsize)
	return s.Bavail * size, s.Blocks * size, nil
}
