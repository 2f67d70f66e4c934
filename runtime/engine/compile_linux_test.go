package engine_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// noExecutable is a server where the system lets nobody run what it wrote: the
// interpreter, outside and here.
func noExecutable(args []string) int {
	const mdwe, refuse = 65, 1 // PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
	if err := unix.Prctl(mdwe, refuse, 0, 0, 0); err != nil {
		fmt.Println("not possible here:", err)
		return 0
	}
	ctx := context.Background()
	e, err := engine.New(ctx, engine.Config{
		CacheDir: args[0], Worker: []string{os.Args[0], args[1]}, Groups: []capability.Group{group("test"), group("opt")},
	})
	var m *engine.Module
	if err == nil {
		m, err = e.Compile(ctx, tiny())
	}
	var i *engine.Instance
	if err == nil {
		i, err = e.Instantiate(ctx, m, engine.InstanceConfig{Link: allLinked()})
	}
	var out []byte
	if err == nil {
		out, err = i.Call(ctx, "echo", []byte("x"))
	}
	fmt.Println(e.Stats().Kind, string(out), err)
	return 0
}

// TestInterpretedModulesAreTriedOutside: where the interpreter is all there is,
// a process of its own takes the module in first.
func TestInterpretedModulesAreTriedOutside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	run := func(with string) string {
		command := worker(t, "no-executable")
		out, err := exec.Command(command[0], command[1], dir, with).CombinedOutput()
		if err != nil || strings.HasPrefix(string(out), "not possible") {
			t.Skipf("%v, %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if out := run("crash"); !strings.HasPrefix(out, "interpreter  the compiling process failed") {
		t.Errorf("after a crash: %s", out)
	}
	nothingIn(t, dir)
	if out := run("compile-worker"); out != "interpreter x <nil>" {
		t.Errorf("%s", out)
	}
	if out := run("crash"); out != "interpreter x <nil>" { // what it was found good once
		t.Errorf("the second time: %s", out)
	}
}

// TestFullDisk: there is room for a part of the module, and for a part of its code.
func TestFullDisk(t *testing.T) {
	for _, size := range []string{"4k", "12k"} {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
			t.Skip("a full disk needs the right to mount one: ", err)
		}
		e := newOutside(t, engine.Config{CacheDir: dir})
		_, err := e.Compile(t.Context(), tiny())
		wantFault(t, err, fault.DiskFull, "no room")
		t.Log(size, err)
		nothingIn(t, dir)
		echoes(t, newOutside(t, engine.Config{})) // elsewhere there is room
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}
}
