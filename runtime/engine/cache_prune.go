package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// DefaultCacheBytes bounds the cache of compiled modules.
const DefaultCacheBytes = 2 << 30

// Prune removes from the cache what belongs to modules that are neither known
// nor loaded. It is safe beside all other methods.
func (e *Engine) Prune(ctx context.Context, known func(digest string) bool) error {
	if e.cache == nil {
		return nil
	}
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	kept, err := e.cache.kept()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the cache of compiled modules cannot be read")
	}
	for _, k := range kept {
		if ctx.Err() != nil {
			return fault.Of(ctx.Err())
		}
		if k.digest != "" && !known(k.digest) {
			e.Forget(k.digest)
		}
	}
	e.bound()
	return nil
}

// Forget removes what the cache has of a module, unless the module is loaded.
func (e *Engine) Forget(digest string) {
	if e.cache == nil || !isDigest(digest) {
		return
	}
	e.mu.Lock() // so that nobody loads it meanwhile
	defer e.mu.Unlock()
	if e.modules[digest] == nil {
		e.cache.forget(digest)
	}
}

// bound removes what was not used for the longest time, until the cache is
// within its bound. What is loaded does not need its files and goes as well.
func (e *Engine) bound() {
	kept, err := e.cache.kept()
	if err != nil {
		return // the next one tries again
	}
	slices.SortFunc(kept, func(a, b keptModule) int { return b.used.Compare(a.used) })
	var sum int64
	for _, k := range kept {
		switch sum += k.bytes; {
		case sum <= e.cacheBytes:
		case k.digest != "":
			e.cache.forget(k.digest)
		default:
			e.cache.drop(k.entry)
		}
	}
}

// keptModule is what the cache has of one module.
type keptModule struct {
	digest string // "": compiled code of which it is not known whose it is
	entry  string // "": none that is known
	bytes  int64
	used   time.Time
}

// kept lists what is in the cache.
func (c *diskCache) kept() ([]keptModule, error) {
	entries := make(map[string]keptModule)
	err := c.folders(func(_ *os.Root, all []fs.DirEntry) error {
		for _, f := range all {
			if info, err := f.Info(); err == nil && isEntry(f) {
				entries[f.Name()] = keptModule{entry: f.Name(), bytes: info.Size(), used: info.ModTime()}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(c.meteredDir)
	if err != nil {
		return nil, err
	}
	var kept []keptModule
	for _, f := range files {
		digest, isModule := strings.CutSuffix(f.Name(), moduleExt)
		info, err := f.Info()
		if !isModule || !isDigest(digest) || err != nil {
			continue
		}
		k := keptModule{digest: digest, bytes: info.Size(), used: info.ModTime()}
		if sum, err := os.ReadFile(c.meteredPath(digest) + sumExt); err == nil {
			k.entry = entryIn(string(sum))
		}
		kept = append(kept, k)
	}
	return withCode(kept, entries), nil
}

// withCode adds the sizes of compiled code to the modules that name it, those of
// several to the one that was used last, and appends what none names.
func withCode(modules []keptModule, code map[string]keptModule) []keptModule {
	slices.SortFunc(modules, func(a, b keptModule) int { return b.used.Compare(a.used) })
	named := make(map[string]bool)
	for n := range modules {
		if k := &modules[n]; !named[k.entry] {
			named[k.entry] = true
			k.bytes += code[k.entry].bytes
		}
	}
	for _, c := range code {
		if !named[c.entry] {
			modules = append(modules, c)
		}
	}
	return modules
}

// tidy makes the cache's own folders, and removes those of other versions and
// what killed processes have left.
func (c *diskCache) tidy(parent string) error {
	for _, dir := range []string{c.meteredDir, c.work} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	all, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	others := regexp.MustCompile(`^(v[0-9]+\.[0-9]+\.[0-9]+-[a-z0-9]+|metered-[0-9]+(-[0-9]+)?)$`)
	for _, f := range all {
		if others.MatchString(f.Name()) && f.Name() != filepath.Base(c.dir) && f.Name() != filepath.Base(c.meteredDir) {
			err = errors.Join(err, root.RemoveAll(f.Name()))
		}
	}
	return errors.Join(err, c.sweep(root))
}

// sweep removes what a worker, or a write, has left that cannot be under way
// any more: other engines may share the cache.
func (c *diskCache) sweep(root *os.Root) error {
	for _, dir := range []string{c.work, c.meteredDir} {
		name := filepath.Base(dir)
		files, err := fs.ReadDir(root.FS(), name)
		if err != nil {
			return err
		}
		for _, f := range files {
			info, err := f.Info()
			left := dir == c.work || strings.HasSuffix(f.Name(), ".tmp")
			if err != nil || !left || time.Since(info.ModTime()) < abandoned {
				continue
			}
			if err := root.RemoveAll(name + "/" + f.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
