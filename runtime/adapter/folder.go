package adapter

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of the storage.
const (
	maxFile    = 700 << 10 // bytes: in base64 it crosses in one call
	maxPath    = 512       // bytes
	maxElement = 200       // bytes, of what stands between two slashes
	maxParts   = 8         // elements of a path
	usualList  = 100
	maxList    = 1000
)

// folder is one tenant's files below dir. All goes through an os.Root, so that
// neither a path nor a link that somebody put there leads out of it.
type folder struct {
	dir      string
	maxBytes int64
	maxFiles int

	mu      sync.Mutex
	root    *os.Root // open during a call
	counted bool
	bytes   int64
	files   int // with the folders that hold them
}

// item is what is known of a file.
type item struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// with opens the folder for one call, and knows how much it holds.
func (f *folder) with(do func() error) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fault.Wrap(fault.Internal, err, "storage folder")
	}
	if f.root, err = os.OpenRoot(f.dir); err != nil {
		return fault.Wrap(fault.Internal, err, "storage folder")
	}
	defer func() { _ = f.root.Close() }()
	if !f.counted {
		if err := f.count(); err != nil {
			return fault.Wrap(fault.Internal, err, "storage folder")
		}
	}
	return do()
}

// count looks once at all that is there, and removes what a crash left half
// written.
func (f *folder) count() error {
	f.bytes, f.files = 0, 0
	err := fs.WalkDir(f.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if p != "." {
				f.files++
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		case strings.HasPrefix(path.Base(p), partial):
			return f.root.Remove(p)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f.bytes, f.files = f.bytes+info.Size(), f.files+1
		return nil
	})
	f.counted = err == nil
	return err
}

// missing counts the folders that a file at p would need and that are not there.
func (f *folder) missing(p string) (n int) {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if _, err := f.root.Lstat(dir); err == nil {
			break
		}
		n++
	}
	return n
}

// walk visits the files in the order of their paths' elements.
func (f *folder) walk(visit func(p string, info fs.FileInfo) error) error {
	return fs.WalkDir(f.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return visit(p, info)
	})
}

// partial starts the name of a file that is being written. No path of a
// caller's has an element that starts with a dot.
const partial = ".partial-"

// checkPath refuses what is no plain relative path on every system.
func checkPath(p string) error {
	wrong := func(why string) error {
		return fault.New(fault.Invalid, "the path %s", why).
			WithFields(fault.Field{Pointer: "/path", Detail: why}).
			WithHint("write it as folder/name, in letters, digits and plain signs")
	}
	switch {
	case p == "" || len(p) > maxPath:
		return wrong("has 1 to 512 bytes")
	case strings.Count(p, "/") >= maxParts:
		return wrong("has at most 8 elements")
	case !fs.ValidPath(p):
		return wrong("is relative, with single slashes and without . and ..")
	case strings.ContainsFunc(p, func(r rune) bool {
		return unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`\:*?"<>|`, r)
	}):
		return wrong(`holds none of \ : * ? " < > | and no control character`)
	}
	for e := range strings.SplitSeq(p, "/") {
		if strings.HasPrefix(e, ".") || strings.HasSuffix(e, ".") || strings.HasSuffix(e, " ") || len(e) > maxElement {
			return wrong("has elements of at most 200 bytes that do not start with a dot, nor end with one or with a blank")
		}
	}
	return nil
}

// put writes a file whole, or not at all.
func (f *folder) put(p string, data []byte) (out item, err error) {
	if err := checkPath(p); err != nil {
		return out, err
	}
	if len(data) > maxFile {
		return out, fault.New(fault.TooLarge, "a file of %d bytes, and %d are allowed", len(data), maxFile)
	}
	err = f.with(func() error {
		had, files := int64(0), 1+f.missing(p)
		if info, err := f.root.Lstat(p); err == nil {
			if !info.Mode().IsRegular() {
				return fault.New(fault.Exists, "%q is no file", p)
			}
			had, files = info.Size(), 0
		}
		grown := int64(len(data)) - had
		if files > 0 && f.files+files > f.maxFiles || grown > 0 && f.bytes+grown > f.maxBytes {
			return fault.New(fault.QuotaReached, "the storage holds %d files and folders of %d bytes, and %d of %d bytes are allowed",
				f.files, f.bytes, f.maxFiles, f.maxBytes)
		}
		if err := f.write(p, data); err != nil {
			return err
		}
		f.bytes, f.files = f.bytes+grown, f.files+files
		out, err = f.look(p)
		return err
	})
	return out, err
}

// write makes the file durable beside its place and then moves it there.
func (f *folder) write(p string, data []byte) (err error) {
	if err := f.root.MkdirAll(path.Dir(p), 0o700); err != nil {
		return ofDisk(err, p)
	}
	temporary := path.Join(path.Dir(p), partial+rand.Text())
	defer func() {
		if err != nil {
			_ = f.root.Remove(temporary)
		}
	}()
	file, err := f.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return ofDisk(err, p)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = f.root.Rename(temporary, p)
	}
	if err == nil {
		err = f.sync(path.Dir(p))
	}
	if err != nil {
		return ofDisk(err, p)
	}
	return nil
}

// sync makes the names in a folder durable.
func (f *folder) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// look is what is known of one file.
func (f *folder) look(p string) (item, error) {
	info, err := f.root.Lstat(p)
	if err != nil || !info.Mode().IsRegular() {
		return item{}, noFile(p)
	}
	return item{p, info.Size(), info.ModTime().UTC().Truncate(time.Millisecond)}, nil
}

func (f *folder) stat(p string) (out item, err error) {
	if err := checkPath(p); err != nil {
		return out, err
	}
	err = f.with(func() error {
		out, err = f.look(p)
		return err
	})
	return out, err
}

// content is a file with its data.
type content struct {
	item

	Data []byte `json:"data"`
}

func (f *folder) get(p string) (out content, err error) {
	if err := checkPath(p); err != nil {
		return out, err
	}
	err = f.with(func() error {
		if out.item, err = f.look(p); err != nil {
			return err
		}
		if out.Size > maxFile {
			return fault.New(fault.TooLarge, "%q has %d bytes, and %d can be read in one call", p, out.Size, maxFile)
		}
		file, err := f.root.Open(p)
		if err != nil {
			return ofDisk(err, p)
		}
		defer file.Close()
		out.Data, err = io.ReadAll(io.LimitReader(file, maxFile))
		if err != nil {
			return fault.Wrap(fault.Internal, err, "storage")
		}
		return nil
	})
	return out, err
}

// listing is a part of what is there.
type listing struct {
	Items []item `json:"items"`
	// Truncated says that there is more; a longer prefix shows it.
	Truncated bool `json:"truncated"`
}

func (f *folder) list(ctx context.Context, prefix string, limit int) (out listing, err error) {
	if limit < 0 || limit > maxList || len(prefix) > maxPath {
		return out, fault.New(fault.Invalid, "limit is 1 to %d, and a prefix has at most %d bytes", maxList, maxPath)
	}
	if limit == 0 {
		limit = usualList
	}
	out.Items = []item{}
	err = f.with(func() error {
		return f.walk(func(p string, info fs.FileInfo) error {
			switch {
			case ctx.Err() != nil:
				return fault.Of(ctx.Err())
			case !strings.HasPrefix(p, prefix) || strings.HasPrefix(path.Base(p), partial):
				return nil
			case len(out.Items) == limit:
				out.Truncated = true
				return fs.SkipAll
			}
			out.Items = append(out.Items, item{p, info.Size(), info.ModTime().UTC().Truncate(time.Millisecond)})
			return nil
		})
	})
	if err != nil {
		return listing{}, fault.Of(err)
	}
	return out, nil
}

// removed is the answer of delete.
type removed struct {
	Deleted bool `json:"deleted"`
}

// remove removes a file, and the folders that it leaves empty.
func (f *folder) remove(p string) (out removed, err error) {
	if err := checkPath(p); err != nil {
		return out, err
	}
	err = f.with(func() error {
		info, err := f.look(p)
		if err != nil {
			return err
		}
		if err := f.root.Remove(p); err != nil {
			return ofDisk(err, p)
		}
		f.bytes, f.files = f.bytes-info.Size, f.files-1
		dir := path.Dir(p)
		for ; dir != "." && f.root.Remove(dir) == nil; dir = path.Dir(dir) {
			f.files--
		}
		if err := f.sync(dir); err != nil {
			return fault.Wrap(fault.Internal, err, "storage")
		}
		return nil
	})
	return removed{err == nil}, err
}

func noFile(p string) error { return fault.New(fault.NotFound, "no file stands at %.300q", p) }

// ofDisk is what the file system answers, for whoever called.
func ofDisk(err error, p string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noFile(p)
	case errors.Is(err, errNotFolder) || errors.Is(err, fs.ErrExist) || errors.Is(err, errIsFolder):
		return fault.New(fault.Exists, "a part of %.300q is a file, or the whole of it a folder", p)
	case errors.Is(err, errNoSpace):
		return fault.Wrap(fault.DiskFull, err, "storage")
	}
	return fault.Wrap(fault.Internal, err, "storage")
}
