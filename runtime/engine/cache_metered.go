package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// moduleFile is the name of a rewritten module in a worker's directory, and
// the ending of its name in the cache.
const (
	moduleFile = "module.wasm"
	moduleExt  = ".wasm"
)

// abandoned is the age of what nobody can be working on any more.
const abandoned = 10 * time.Minute

// metered reads a rewritten module from the cache. Only modules that compiled
// within their limits are there. A file that does not match its sum is not
// there either.
func (c *diskCache) metered(digest string) (wasm []byte, entry string, found bool) {
	sum, err := os.ReadFile(c.meteredPath(digest) + sumExt)
	if err != nil {
		return nil, "", false
	}
	if wasm, err = os.ReadFile(c.meteredPath(digest)); err != nil {
		return nil, "", false
	}
	entry = entryIn(string(sum))
	if string(sum) != meteredSum(digest, wasm, entry) {
		c.forget(digest)
		return nil, "", false
	}
	now := time.Now()
	_ = os.Chtimes(c.meteredPath(digest), now, now) // used: pruned later than others
	return wasm, entry, true
}

func (c *diskCache) meteredPath(digest string) string {
	return filepath.Join(c.meteredDir, digest+moduleExt)
}

// meteredSum is what the sum file of a rewritten module holds: a line that
// sha256sum -c understands and a comment that names its compiled code.
func meteredSum(digest string, wasm []byte, entry string) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:]) + "  " + digest + moduleExt + "\n# " + entry + "\n"
}

// entryIn is the name of the compiled code in a sum file; "" if it has none.
func entryIn(sum string) string {
	_, comment, _ := strings.Cut(sum, "\n# ")
	entry := strings.TrimSuffix(comment, "\n")
	if !isDigest(entry) {
		return ""
	}
	return entry
}

// isDigest reports whether a name is that of a sha256, which leads nowhere else.
func isDigest(name string) bool {
	raw, err := hex.DecodeString(name)
	return err == nil && len(raw) == sha256.Size && strings.ToLower(name) == name
}

// keep makes the file at path the rewritten module of this digest, of which
// the compiled code has the name entry.
func (c *diskCache) keep(digest, path string, wasm []byte, entry string) error {
	folder, err := os.OpenRoot(c.meteredDir)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	if err := os.Rename(path, c.meteredPath(digest)); err != nil {
		return err
	}
	return replace(folder, digest+moduleExt+sumExt, meteredSum(digest, wasm, entry))
}

// keepOwn keeps a rewritten module that was compiled in this process. That it
// cannot be kept costs time at the next start, and nothing else.
func (c *diskCache) keepOwn(ctx context.Context, digest string, wasm []byte) {
	dir, err := c.workspace(wasm)
	if err == nil {
		err = c.keep(digest, filepath.Join(dir, moduleFile), wasm, "")
		_ = os.RemoveAll(dir)
	}
	if err != nil {
		c.log.WarnContext(ctx, "a rewritten module could not be kept", "dir", c.meteredDir, "err", err)
	}
}

// workspace is a new directory of a worker with the module to compile.
func (c *diskCache) workspace(wasm []byte) (string, error) {
	if err := os.MkdirAll(c.work, 0o700); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(c.work, "compile-")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, moduleFile), wasm, 0o600); err != nil {
		return "", errorsOf(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// take moves what a worker left in its directory into the cache: exactly one
// entry, or it is refused. It returns the entry's name.
func (c *diskCache) take(dir string) (entry string, err error) {
	folder, entry, err := c.only(dir)
	if err != nil {
		return "", err
	}
	from, err := os.OpenRoot(filepath.Join(dir, folder))
	if err != nil {
		return "", err
	}
	defer func() { _ = from.Close() }()
	// Whole files alone are moved there: another engine that opens the cache
	// just now removes all others.
	if err := writeSum(from, entry); err != nil {
		return "", err
	}
	for _, name := range []string{entry + sumExt, entry} {
		if err := os.Rename(filepath.Join(dir, folder, name), filepath.Join(c.dir, folder, name)); err != nil {
			return "", err
		}
	}
	return entry, nil
}

// errLeft is what a worker should not have left.
var errLeft = errors.New("the compiling process did not leave exactly one entry")

// only finds the one entry in a worker's directory, in a folder that this
// process has in its own cache too.
func (c *diskCache) only(dir string) (folder, entry string, err error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return "", "", err
	}
	for _, f := range all {
		switch _, err := os.Lstat(filepath.Join(c.dir, f.Name())); {
		case f.Name() == moduleFile && f.Type().IsRegular():
		case folder == "" && f.IsDir() && err == nil:
			folder = f.Name()
		default:
			return "", "", fmt.Errorf("%w: there is %q", errLeft, f.Name())
		}
	}
	if folder == "" {
		return "", "", errLeft
	}
	entries, err := os.ReadDir(filepath.Join(dir, folder))
	if err != nil {
		return "", "", err
	}
	if len(entries) != 1 || !isEntry(entries[0]) || !isDigest(entries[0].Name()) {
		return "", "", fmt.Errorf("%w: there are %d files", errLeft, len(entries))
	}
	return folder, entries[0].Name(), nil
}

// add moves what a worker left in its directory into the cache, together with
// the rewritten module that it was made of.
func (c *diskCache) add(digest, dir string, wasm []byte, compiled bool) (err error) {
	c.naming.Lock()
	defer c.naming.Unlock()
	var entry string
	if compiled {
		if entry, err = c.take(dir); err != nil {
			return err
		}
	}
	if err = c.keep(digest, filepath.Join(dir, moduleFile), wasm, entry); err != nil && !c.named(entry) {
		c.drop(entry)
	}
	return err
}

// forget removes what is kept of a module. Compiled code goes with the last
// module that names it: several can be the same but for what is not compiled.
func (c *diskCache) forget(digest string) {
	c.naming.Lock()
	defer c.naming.Unlock()
	if entry := c.unname(digest); entry != "" && !c.named(entry) {
		c.drop(entry)
	}
}

// unname removes a rewritten module, and answers the name of its compiled code.
// The caller holds naming.
func (c *diskCache) unname(digest string) (entry string) {
	if sum, err := os.ReadFile(c.meteredPath(digest) + sumExt); err == nil {
		entry = entryIn(string(sum))
	}
	_ = os.Remove(c.meteredPath(digest))
	_ = os.Remove(c.meteredPath(digest) + sumExt)
	return entry
}

// named reports whether a rewritten module names this compiled code, or whether
// that cannot be known. The caller holds naming.
func (c *diskCache) named(entry string) bool {
	files, err := os.ReadDir(c.meteredDir)
	if err != nil {
		return true // what nobody uses goes when the cache is full
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), moduleExt+sumExt) {
			continue
		}
		sum, err := os.ReadFile(filepath.Join(c.meteredDir, f.Name()))
		if err == nil && entryIn(string(sum)) == entry {
			return true
		}
	}
	return false
}

// drop removes compiled code.
func (c *diskCache) drop(entry string) {
	if entry == "" {
		return
	}
	_ = c.folders(func(folder *os.Root, _ []fs.DirEntry) error {
		_ = folder.Remove(entry)
		_ = folder.Remove(entry + sumExt)
		return nil
	})
}

// replace puts a small file into a folder, whole or not at all.
func replace(folder *os.Root, name, text string) error {
	temp := name + "." + rand.Text() + ".tmp"
	if err := writeSynced(folder, temp, text); err != nil {
		return errorsOf(err, folder.RemoveAll(temp))
	}
	return folder.Rename(temp, name)
}

// onDisk is the fault of an operation on the cache.
func onDisk(err error) error {
	if isDiskFull(err) {
		return fault.New(fault.DiskFull, "there is no room for the compiled module")
	}
	// Whoever uploads need not learn the server's paths.
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		err = link.Err
	}
	return fault.Wrap(fault.Internal, err, "the compiled module cannot be kept")
}
