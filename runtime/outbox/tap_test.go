package outbox

import (
	"os"
	"sync"
)

// op is one thing that a log did to its file system.
type op struct {
	name string // open, write, truncate, sync, remove, rename, syncdir; ack is the test's
	path string
	flag int
	off  int64
	data []byte // written
	to   string // renamed to
	seq  uint64 // acknowledged
}

// tap is the real file system, written down and breakable.
type tap struct {
	mu   sync.Mutex
	ops  []op
	read map[string]int64        // bytes, by path
	keep bool                    // write the operations down
	lazy bool                    // no real syncs: the test is about other things
	fail func(op) (int64, error) // before it is done; for a write, after that many bytes
}

func newTap() *tap { return &tap{read: make(map[string]int64)} }

func (d *tap) note(o op) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if n, err := d.fail(o); err != nil {
			return n, err
		}
	}
	if d.keep {
		d.ops = append(d.ops, o)
	}
	return 0, nil
}

func (d *tap) failing(fail func(op) (int64, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

func (d *tap) Open(path string, flag int) (file, error) {
	if _, err := d.note(op{name: "open", path: path, flag: flag}); err != nil {
		return nil, err
	}
	f, err := osDisk{}.Open(path, flag)
	if err != nil {
		return nil, err
	}
	return &tapFile{file: f, path: path, disk: d}, nil
}

func (d *tap) Remove(path string) error {
	if _, err := d.note(op{name: "remove", path: path}); err != nil {
		return err
	}
	return os.Remove(path)
}

func (d *tap) Rename(from, to string) error {
	if _, err := d.note(op{name: "rename", path: from, to: to}); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (d *tap) SyncDir(dir string) error {
	if _, err := d.note(op{name: "syncdir", path: dir}); err != nil {
		return err
	}
	if d.lazy {
		return nil
	}
	return osDisk{}.SyncDir(dir)
}

type tapFile struct {
	file
	path string
	disk *tap
}

func (f *tapFile) ReadAt(p []byte, off int64) (int, error) {
	if _, err := f.disk.note(op{name: "read", path: f.path, off: off, data: p}); err != nil {
		return 0, err
	}
	n, err := f.file.ReadAt(p, off)
	f.disk.mu.Lock()
	f.disk.read[f.path] += int64(n)
	f.disk.mu.Unlock()
	return n, err
}

func (f *tapFile) WriteAt(p []byte, off int64) (int, error) {
	if n, err := f.disk.note(op{name: "write", path: f.path, off: off, data: append([]byte(nil), p...)}); err != nil {
		n, _ := f.file.WriteAt(p[:n], off)
		return n, err
	}
	return f.file.WriteAt(p, off)
}

func (f *tapFile) Truncate(size int64) error {
	if _, err := f.disk.note(op{name: "truncate", path: f.path, off: size}); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f *tapFile) Sync() error {
	if _, err := f.disk.note(op{name: "sync", path: f.path}); err != nil {
		return err
	}
	if f.disk.lazy {
		return nil
	}
	return f.file.Sync()
}
