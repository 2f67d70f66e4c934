package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestDiskCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	wasm := goModule(t)
	timed := func() time.Duration {
		e, err := engine.New(t.Context(), engine.Config{CacheDir: dir, Groups: goGroups()})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		m, err := e.Compile(t.Context(), wasm)
		took := time.Since(begin)
		if err != nil {
			t.Fatal(err)
		}
		i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{Link: goLink(), CallTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		open(t, i, "{}")
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return took
	}
	cold := timed()
	warm := timed()
	t.Logf("compile: %v, from the cache: %v", cold, warm)
	if warm > cold/3 {
		t.Errorf("the cache saves too little: %v, then %v", cold, warm)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache has the mode %v, %v", info.Mode(), err)
	}
}

// seed fills a cache with the tiny module, and returns the path and the
// content of its entry.
func seed(t *testing.T, dir string) (string, []byte) {
	t.Helper()
	echoes(t, newEngineIn(t, dir))
	entry := cacheFiles(t, dir)[0]
	whole, err := os.ReadFile(entry)
	if err != nil {
		t.Fatal(err)
	}
	return entry, whole
}

// echoes compiles the tiny module and runs it.
func echoes(t *testing.T, e *engine.Engine) {
	t.Helper()
	i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{Link: allLinked()})
	if out, err := i.Call(t.Context(), "echo", []byte("x")); err != nil || string(out) != "x" {
		t.Errorf("echo answered %q, %v", out, err)
	}
}

// written runs the tiny module in a new engine with this cache, and reports
// whether the entry was written for it.
func written(t *testing.T, dir, entry string) bool {
	t.Helper()
	old := time.Unix(1, 0)
	if err := os.Chtimes(entry, old, old); err != nil {
		t.Fatal(err)
	}
	echoes(t, newEngineIn(t, dir))
	info, err := os.Stat(entry)
	if err != nil {
		t.Fatal(err)
	}
	return !info.ModTime().Equal(old)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestIntactCacheIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	entry, _ := seed(t, dir)
	for range 2 {
		if written(t, dir, entry) {
			t.Error("an intact entry was compiled again")
		}
	}
}

// wazero's own checksum covers the code alone. A wrong bit elsewhere ends the
// process, this test's too, if the entry reaches wazero.
func TestNoFlippedBitReachesWazero(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	entry, whole := seed(t, dir)
	for at := range whole {
		if at >= 64 && at < len(whole)-16 && at%97 != 0 {
			continue
		}
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << (at % 8)
			write(t, entry, flipped)
			if !written(t, dir, entry) {
				t.Error("a damaged entry was used")
			}
			if written(t, dir, entry) {
				t.Error("the mended entry was not used")
			}
		})
	}
}

func TestEntryNeedsItsSum(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	entry, whole := seed(t, dir)
	sum, err := os.ReadFile(entry + ".sum")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x  %s\n", sha256.Sum256(whole), filepath.Base(entry)); string(sum) != want {
		t.Errorf("the sum is %q, want %q", sum, want)
	}
	if err := os.Remove(entry + ".sum"); err != nil {
		t.Fatal(err)
	}
	if !written(t, dir, entry) {
		t.Error("an entry without a sum was used")
	}
	for name, data := range map[string][]byte{
		"empty": nil, "half": sum[:len(sum)/2], "longer": append(bytes.Clone(sum), sum...),
		"of another": bytes.Replace(sum, []byte(filepath.Base(entry)), []byte("other"), 1),
	} {
		write(t, entry+".sum", data)
		if !written(t, dir, entry) {
			t.Errorf("%s: an entry with a wrong sum was used", name)
		}
		if written(t, dir, entry) {
			t.Errorf("%s: the mended entry was not used", name)
		}
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	entry, whole := seed(t, dir)
	for _, name := range []string{entry + ".123.tmp", entry + ".sum.ABC.tmp", filepath.Join(filepath.Dir(entry), "gone.sum")} {
		write(t, name, whole[:len(whole)/2])
	}
	if err := os.MkdirAll(filepath.Join(filepath.Dir(entry), "folder", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(filepath.Dir(filepath.Dir(entry)), "stray"), nil)
	if written(t, dir, entry) {
		t.Error("the entry was not used")
	}
	if got, want := cacheFiles(t, dir), []string{entry, entry + ".sum"}; !slices.Equal(got, want) {
		t.Errorf("the cache holds %q, want %q", got, want)
	}
}

// A link could be swapped under us, and what it leads to is not ours to empty.
func TestCacheWithALinkIsNotUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	entry, _ := seed(t, dir)
	folder, away := filepath.Dir(entry), filepath.Join(t.TempDir(), "away")
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(away, folder); err != nil {
		t.Skip(err)
	}
	if err := os.Remove(filepath.Join(away, filepath.Base(entry))); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e, err := engine.New(t.Context(), engine.Config{
		CacheDir: dir, Groups: []capability.Group{group("test"), group("opt")}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	echoes(t, e)
	if _, err := os.Stat(entry); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(log.String(), "is not used") {
		t.Errorf("the cache was used: %v, %s", err, &log)
	}
}

func TestCacheDamagedWhileRunningIsMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	entry, whole := seed(t, dir)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-10] ^= 1 // the end of the code; behind it are 9 bytes
	for name, data := range map[string][]byte{
		"empty": nil, "a few bytes": whole[:3], "half": whole[:len(whole)/2], "all but one": whole[:len(whole)-1], "flipped": flipped,
	} {
		e := newEngineIn(t, dir)
		write(t, entry, data)
		echoes(t, e)
		if now, err := os.ReadFile(entry); err != nil || !bytes.Equal(now, whole) {
			t.Errorf("%s: the entry was not written again: %d bytes, %v", name, len(now), err)
		}
		if written(t, dir, entry) {
			t.Errorf("%s: the mended entry was not used", name)
		}
	}
}

// Engines that share a cache may remove each other's files, and no more.
func TestHammerCacheOfSeveralEngines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for n := range 4 {
				e, err := engine.New(t.Context(), engine.Config{CacheDir: dir, Groups: []capability.Group{group("test"), group("opt")}})
				if err != nil {
					t.Error(err)
					return
				}
				var modules sync.WaitGroup
				for k := range 3 {
					modules.Go(func() {
						if _, err := e.Compile(t.Context(), distinct(tiny(), 10*n+k)); err != nil {
							t.Error(err)
						}
					})
				}
				modules.Wait()
				if err := e.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// distinct adds a custom section, so that the module is another one to a cache.
func distinct(wasm []byte, n int) []byte {
	return append(bytes.Clone(wasm), 0, 3, 1, 'n', byte(n))
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newEngineIn(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	compile(t, e, tiny())
}

func cacheFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "v*", "wazero-*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in the cache: %v", err)
	}
	return files
}

func TestCacheOfOthersIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := engine.New(t.Context(), engine.Config{CacheDir: dir})
	wantFault(t, err, fault.Denied, "others may write")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = engine.New(t.Context(), engine.Config{CacheDir: file})
	wantFault(t, err, fault.Internal, "cache")
}
