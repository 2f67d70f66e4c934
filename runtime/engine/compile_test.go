package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// workers are what this test binary does instead of testing, by its first
// argument: the process that compiles, and such that misbehave.
func workers() map[string]func(args []string) int {
	real := func(args []string) int {
		return engine.CompileWorker(context.Background(), args, os.Stdin, os.Stderr)
	}
	leaves := func(names ...string) func([]string) int {
		return func(args []string) int {
			if code := real(args); code != 0 {
				return code
			}
			return spoil(names)
		}
	}
	return map[string]func([]string) int{
		"compile-worker": real,
		"hang":           func([]string) int { return hang() },
		"hang-in-group": func([]string) int {
			_ = exec.Command(os.Args[0], "hang").Start()
			return hang()
		},
		"gated":    gated,
		"idle":     func([]string) int { return 0 },
		"one-more": leaves("deadbeef"),
		"stray":    leaves("../stray"),
		"renamed":  leaves("-" + strings.Repeat("ab", 32)),
		"cut":      leaves("%cut"),
		"link":     leaves("%link"),
		"chatty": func([]string) int {
			fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<20))
			return 70
		},
		"surroundings":  surroundings,
		"crash":         func([]string) int { panic("out of order") },
		"server":        serveHanging,
		"no-executable": noExecutable,
	}
}

func hang() int {
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGHUP)
	for range never {
		continue
	}
	return 0
}

// spoil changes what a worker has left: a name adds a file beside the entry, a
// name behind a minus renames the entry.
func spoil(names []string) int {
	entries, _ := filepath.Glob("wazero-*/*")
	if len(entries) != 1 {
		return 70
	}
	entry, err := entries[0], error(nil)
	for _, name := range names {
		switch {
		case name == "%cut":
			err = os.Truncate(entry, 100)
		case name == "%link":
			err = errors.Join(os.Rename(entry, "/tmp/"+filepath.Base(entry)), os.Symlink("/tmp/"+filepath.Base(entry), entry), os.Remove("/tmp/"+filepath.Base(entry)))
		case name[0] == '-':
			err = os.Rename(entry, filepath.Join(filepath.Dir(entry), name[1:]))
		default:
			err = os.WriteFile(filepath.Join(filepath.Dir(entry), name), nil, 0o600)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 70
	}
	return 0
}

// surroundings compiles, and then says what the process has of the server.
func surroundings(args []string) int {
	if code := engine.CompileWorker(context.Background(), args, os.Stdin, os.Stderr); code != 0 {
		return code
	}
	var named []string
	for fd := 3; fd < 32; fd++ {
		name, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
		if err == nil && !strings.HasPrefix(name, "anon_inode:") {
			named = append(named, name)
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PWD=") })
	limits, _ := os.ReadFile("/proc/self/limits")
	fields := strings.Join(strings.Fields(string(limits)), " ")
	fmt.Fprintf(os.Stderr, "env %q files %q limits %s\n", env, named, fields)
	return 70
}

// worker is the command of a worker.
func worker(t testing.TB, name string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, name}
}

// newOutside is an engine that compiles in processes of its own.
func newOutside(t testing.TB, cfg engine.Config) *engine.Engine {
	t.Helper()
	if cfg.Worker == nil {
		cfg.Worker = worker(t, "compile-worker")
	}
	if cfg.Groups == nil {
		cfg.Groups = []capability.Group{group("test"), group("opt")}
	}
	e, err := engine.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// children are the processes that this one, or the one named, has started.
func children(t testing.TB, of int) (ids []int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked up in /proc")
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		id, _, _ := strings.Cut(string(stat), " ")
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[1] == strconv.Itoa(of) && fields[0] != "Z" {
			n, err := strconv.Atoi(id)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, n)
		}
	}
	return ids
}

// child waits for the one process that this one, or the one named, has started.
func child(t testing.TB, of int) int {
	t.Helper()
	var all []int
	eventually(t, func() bool { all = children(t, of); return len(all) == 1 })
	return all[0]
}

func eventually(t testing.TB, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatal("that does not come about")
		}
		runtime.Gosched()
	}
}

// gone reports whether a process has ended.
func gone(id int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

// refusedBy compiles the tiny module with a worker, and sees that it fails and
// leaves nothing behind.
func refusedBy(t *testing.T, name string, limits engine.CompileLimits, kind fault.Kind, words ...string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	e := newOutside(t, engine.Config{CacheDir: dir, Worker: worker(t, name), CompileLimits: limits})
	_, err := e.Compile(t.Context(), tiny())
	wantFault(t, err, kind, words...)
	nothingIn(t, dir)
	if s := e.Stats(); s.Modules != 0 {
		t.Errorf("%d modules are left", s.Modules)
	}
	if runtime.GOOS == "linux" {
		eventually(t, func() bool { return len(children(t, os.Getpid())) == 0 })
	}
}

// nothingIn sees that a cache holds no file.
func nothingIn(t *testing.T, dir string) {
	t.Helper()
	if all := filesIn(t, dir); len(all) > 0 {
		t.Errorf("left behind: %q", all)
	}
}

func filesIn(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestWorkerCompiles: the module runs, what is needed for the next start is in
// the cache, and nothing else is.
func TestWorkerCompiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	echoes(t, newOutside(t, engine.Config{CacheDir: dir}))
	all := filesIn(t, dir)
	if len(all) != 4 {
		t.Errorf("the cache holds %q", all)
	}
	for _, path := range all {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	// The next engine needs no worker: this one would end without a result.
	echoes(t, newOutside(t, engine.Config{CacheDir: dir, Worker: worker(t, "idle")}))
}

// TestCodeGoesWithItsLastModule: modules that differ in what is not compiled
// have one piece of code, which stays as long as one of them does.
func TestCodeGoesWithItsLastModule(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newOutside(t, engine.Config{CacheDir: dir})
	first, second := distinct(tiny(), 1), distinct(tiny(), 2)
	for _, wasm := range [][]byte{first, second} {
		if err := compile(t, e, wasm).Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if all := cacheFiles(t, dir); len(all) != 2 {
		t.Fatalf("the code of two modules is %q", all)
	}
	e.Forget(fmt.Sprintf("%x", sha256.Sum256(first)))
	// Whoever has to compile cannot: this worker ends without a result.
	compile(t, newOutside(t, engine.Config{CacheDir: dir, Worker: worker(t, "idle")}), second)
	e.Forget(fmt.Sprintf("%x", sha256.Sum256(second)))
	nothingIn(t, dir)
}

// TestDamagedCacheIsCompiledAgain: whatever is wrong with what is kept.
func TestDamagedCacheIsCompiledAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	echoes(t, newOutside(t, engine.Config{CacheDir: dir}))
	for _, path := range filesIn(t, dir) {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{
			"empty": nil, "half": whole[:len(whole)/2], "longer": append(bytes.Clone(whole), 'x'),
			"flipped": append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1),
		} {
			write(t, path, data)
			echoes(t, newOutside(t, engine.Config{CacheDir: dir}))
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, whole) {
				t.Errorf("%s %s: not mended: %v", filepath.Base(path), name, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		echoes(t, newOutside(t, engine.Config{CacheDir: dir}))
	}
}

// TestCacheIsMendedByAWorkerWhileRunning: damage is noticed, and the module is
// not compiled here.
func TestCacheIsMendedByAWorkerWhileRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	entry, whole := seedOutside(t, dir)
	e := newOutside(t, engine.Config{CacheDir: dir})
	write(t, entry, whole[:len(whole)/2])
	echoes(t, e)
	if now, err := os.ReadFile(entry); err != nil || !bytes.Equal(now, whole) {
		t.Errorf("the entry was not written again: %d bytes, %v", len(now), err)
	}
}

func seedOutside(t *testing.T, dir string) (string, []byte) {
	t.Helper()
	echoes(t, newOutside(t, engine.Config{CacheDir: dir}))
	entry := cacheFiles(t, dir)[0]
	whole, err := os.ReadFile(entry)
	if err != nil {
		t.Fatal(err)
	}
	return entry, whole
}

func TestWorkersThatMisbehave(t *testing.T) {
	none := engine.CompileLimits{}
	brief := engine.CompileLimits{Wall: 300 * time.Millisecond}
	for name, tt := range map[string]struct {
		limits engine.CompileLimits
		kind   fault.Kind
		words  string
	}{
		"hang":          {brief, fault.CompileLimit, "limit of time: it took longer than 300ms"},
		"hang-in-group": {brief, fault.CompileLimit, "limit of time"},
		"idle":          {none, fault.Internal, "exactly one entry"},
		"one-more":      {none, fault.Internal, "exactly one entry: there are 2 files"},
		"stray":         {none, fault.Internal, `exactly one entry: there is "stray"`},
		"link":          {none, fault.Internal, "exactly one entry"},
		"renamed":       {none, fault.Internal, "is not in the cache"},
		"cut":           {none, fault.Internal, "is not in the cache"},
		"crash":         {none, fault.Internal, "out of order"},
	} {
		t.Run(name, func(t *testing.T) { refusedBy(t, name, tt.limits, tt.kind, tt.words) })
	}
	t.Run("chatty", func(t *testing.T) {
		e := newOutside(t, engine.Config{Worker: worker(t, "chatty")})
		_, err := e.Compile(t.Context(), tiny())
		if !fault.Is(err, fault.Internal) || len(err.Error()) > 5<<10 {
			t.Errorf("%d bytes: %.100s", len(err.Error()), err)
		}
	})
}

func TestWorkerThatCannotBeStarted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newOutside(t, engine.Config{CacheDir: dir, Worker: []string{filepath.Join(dir, "none")}})
	_, err := e.Compile(t.Context(), tiny())
	wantFault(t, err, fault.Internal, "cannot be started")
	nothingIn(t, dir)
}

// TestWorkerHasNothingOfTheServer: no environment, no file, little of all else.
func TestWorkerHasNothingOfTheServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the limits are Linux's")
	}
	if engine.RaceEnabled {
		t.Skip("the limits are wider under the race detector")
	}
	t.Setenv("SNAPRAIL_TOKEN", "secret")
	leaky, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0) // as some drivers open their ports
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(leaky) }()
	refusedBy(t, "surroundings", engine.CompileLimits{}, fault.Internal,
		`env ["GOTRACEBACK=none"]`, "files []", "Max cpu time 10 11", "Max core file size 0 0", "Max open files 32 32",
		"Max file size 1073741824 1073741824")
}

// TestKilledWorker says that the system ended it, which may pass.
func TestKilledWorker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newOutside(t, engine.Config{CacheDir: dir, Worker: worker(t, "hang")})
	done := make(chan error, 1)
	go func() { _, err := e.Compile(t.Context(), tiny()); done <- err }()
	if err := syscall.Kill(child(t, os.Getpid()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantFault(t, <-done, fault.Exhausted, "ended by the system", "signal: killed")
	nothingIn(t, dir)
}

func TestWorkerEndsWithItsCaller(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newOutside(t, engine.Config{CacheDir: dir, Worker: worker(t, "hang")})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := e.Compile(ctx, tiny()); done <- err }()
	id := child(t, os.Getpid())
	cancel()
	wantFault(t, <-done, fault.Canceled)
	if !gone(id) {
		t.Error("the process is still there")
	}
	nothingIn(t, dir)
}

// TestWorkersWaitForTheirTurn: two at a time, one for each module, and who
// waits can give up.
func TestWorkersWaitForTheirTurn(t *testing.T) {
	e := newOutside(t, engine.Config{Worker: worker(t, "hang")})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for n := range 6 {
		all.Go(func() {
			if _, err := e.Compile(ctx, distinct(tiny(), n%3)); !fault.Is(err, fault.Canceled) {
				t.Error(err)
			}
		})
	}
	eventually(t, func() bool { return len(children(t, os.Getpid())) == 2 })
	late, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer end()
	_, err := e.Compile(late, distinct(tiny(), 9))
	wantFault(t, err, fault.Timeout)
	if n := len(children(t, os.Getpid())); n != 2 {
		t.Errorf("%d processes", n)
	}
	cancel()
	all.Wait()
}

// serveHanging is a server with a worker that hangs.
func serveHanging(args []string) int {
	e, err := engine.New(context.Background(), engine.Config{
		CacheDir: args[0], Worker: []string{os.Args[0], "hang"}, Groups: []capability.Group{group("test"), group("opt")},
	})
	if err == nil {
		_, err = e.Compile(context.Background(), tiny())
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// TestWorkerDiesWithTheServer, even if that is killed.
func TestWorkerDiesWithTheServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only there a process can be told to die with its parent")
	}
	command := worker(t, "server")
	server := exec.Command(command[0], command[1], filepath.Join(t.TempDir(), "cache"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	id := child(t, server.Process.Pid)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait() // killed
	eventually(t, func() bool { return gone(id) })
}

func TestPrivateCacheGoesWithTheEngine(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	e := newOutside(t, engine.Config{})
	echoes(t, e)
	private, err := filepath.Glob(filepath.Join(os.TempDir(), "snaprail-cache-*"))
	if err != nil || len(private) != 1 || len(filesIn(t, private[0])) != 4 {
		t.Fatalf("there is %q, %v", private, err)
	}
	if info, err := os.Stat(private[0]); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// Nobody else lives there, so nothing of it is kept beyond the engine.
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(private[0]); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

// TestHammerWorkersOfSeveralEngines: they share a cache, and each gets its
// modules.
func TestHammerWorkersOfSeveralEngines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for n := range 3 {
				e, err := engine.New(t.Context(), engine.Config{
					CacheDir: dir, Worker: worker(t, "compile-worker"), Groups: []capability.Group{group("test"), group("opt")},
				})
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
