package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// sumExt ends the name of a file that holds the sum of another.
const sumExt = ".sum"

// diskCache is wazero's cache of compiled code on disk. What it reads it runs,
// and its own checksum leaves out the table of functions, so that one wrong
// bit there ends the process. Each entry therefore has a file of ours beside
// it with its sha256, and an entry that does not match is gone before wazero
// sees it.
type diskCache struct {
	wazero.CompilationCache

	dir        string // of wazero's cache
	meteredDir string // of rewritten modules, each with its sum
	work       string // of processes that compile; on the same disk, for renames
	log        *slog.Logger
	mu         sync.Mutex // held while sums are written, so that no entry is read twice
	naming     sync.Mutex // held while modules begin or cease to name compiled code
}

// meteredName is the folder of modules that were rewritten by this version of
// Meter after this version of Read has accepted them.
func meteredName(meter, check int) string {
	return "metered-" + strconv.Itoa(meter) + "-" + strconv.Itoa(check)
}

// openCache opens the directory of compiled code. A directory that others may
// write to is refused, because what lies in it is executed. If what is damaged
// cannot be removed, there is no cache: nil.
func openCache(ctx context.Context, parent string, log *slog.Logger) (*diskCache, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be made")
	}
	info, err := os.Stat(parent)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be read")
	}
	if goruntime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return nil, fault.New(fault.Denied, "others may write to the cache of compiled modules %s", parent).
			WithHint("Run chmod 700 %s, and empty it if you did not make it.", parent)
	}
	c := &diskCache{
		dir:        filepath.Join(parent, wazeroVersion+"-"+goruntime.GOARCH),
		meteredDir: filepath.Join(parent, meteredName(wasmbin.MeterVersion, wasmbin.CheckVersion)),
		work:       filepath.Join(parent, "work"),
		log:        log,
	}
	if err := c.tidy(parent); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be tidied")
	}
	if c.CompilationCache, err = wazero.NewCompilationCacheWithDir(c.dir); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be opened")
	}
	removed, err := c.verify()
	if err != nil {
		log.WarnContext(ctx, "the cache of compiled modules cannot be verified and is not used", "dir", c.dir, "err", err)
		return nil, c.Close(ctx)
	}
	if removed > 0 {
		log.WarnContext(ctx, "compiled modules that do not match their checksums were removed and will be compiled again",
			"dir", c.dir, "count", removed)
	}
	return c, nil
}

// verify removes all that is not an entry with its sum, and counts the entries
// among it. After an error, entries that do not match may be left.
func (c *diskCache) verify() (removed int, err error) {
	err = c.folders(func(folder *os.Root, entries []fs.DirEntry) error {
		keep := make(map[string]bool)
		for _, e := range entries {
			if name := e.Name(); isEntry(e) && isIntact(folder, name) {
				keep[name], keep[name+sumExt] = true, true
			}
		}
		for _, e := range entries {
			if keep[e.Name()] {
				continue
			}
			if err := folder.RemoveAll(e.Name()); err != nil {
				return err
			}
			if isEntry(e) {
				removed++
			}
		}
		return nil
	})
	return removed, err
}

// record writes the sums of the entries that have none: those that were
// compiled since the cache was verified. An entry whose sum cannot be written
// is compiled again at the next start.
func (c *diskCache) record(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.folders(func(folder *os.Root, entries []fs.DirEntry) error {
		names := make(map[string]bool)
		for _, e := range entries {
			names[e.Name()] = true
		}
		for _, e := range entries {
			if !isEntry(e) || names[e.Name()+sumExt] {
				continue
			}
			if err := writeSum(folder, e.Name()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.log.WarnContext(ctx, "a compiled module could not be kept and will be compiled again at the next start",
			"dir", c.dir, "err", err)
	}
}

// folders visits the folders of entries: one for each name that wazero gives
// itself. A link among them would lead wazero to where we do not look.
func (c *diskCache) folders(do func(*os.Root, []fs.DirEntry) error) error {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	folders, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, f := range folders {
		switch {
		case f.IsDir():
			err = visit(root, f.Name(), do)
		case !f.Type().IsRegular():
			err = fmt.Errorf("%s is neither a folder nor a file", f.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func visit(root *os.Root, name string, do func(*os.Root, []fs.DirEntry) error) error {
	folder, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	entries, err := fs.ReadDir(folder.FS(), ".")
	if err != nil {
		return err
	}
	return do(folder, entries)
}

// isEntry tells what wazero may read from sums and from what an interrupted
// write has left.
func isEntry(e fs.DirEntry) bool {
	return e.Type().IsRegular() && filepath.Ext(e.Name()) == ""
}

// isIntact reports whether an entry has a sum and matches it.
func isIntact(folder *os.Root, name string) bool {
	file, err := folder.Open(name + sumExt)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	want, err := io.ReadAll(io.LimitReader(file, 1<<10))
	if err != nil {
		return false
	}
	got, err := sumOf(folder, name)
	return err == nil && got == string(want)
}

// sumOf is what the sum file of an entry holds: a line that sha256sum -c
// understands. The name in it ties it to this entry.
func sumOf(folder *os.Root, name string) (string, error) {
	file, err := folder.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)) + "  " + name + "\n", nil
}

// writeSum puts the sum of an entry beside it, whole or not at all. An entry
// that another engine has removed in between needs none.
func writeSum(folder *os.Root, name string) error {
	sum, err := sumOf(folder, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return replace(folder, name+sumExt, sum)
}

func writeSynced(folder *os.Root, name, text string) error {
	file, err := folder.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errorsOf(err, file.Sync(), file.Close())
}

// mend looks whether compiling failed because of the cache, and reports
// whether it is worth another try: after an entry that was damaged while we
// ran, the cache is emptied; when nothing could be written, the code is in
// memory by now.
func (c *diskCache) mend(err error) bool {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*os.LinkError](err); ok {
		return true
	}
	if !strings.Contains(err.Error(), "compilationcache:") {
		return false
	}
	return c.folders(func(folder *os.Root, entries []fs.DirEntry) error {
		for _, e := range entries {
			if err := folder.RemoveAll(e.Name()); err != nil {
				return err
			}
		}
		return nil
	}) == nil
}
