package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The limits of the compiling process beside those of CompileLimits.
const (
	workerFiles    = 32
	workerFileSize = 1 << 30
	workerNice     = 10 // connectors go first
	// workerWall is long, because a process that yields to all others on a busy machine
	// takes many times the processor time that it is bound by.
	workerWall = 90 * time.Second
)

// confine binds this process. Address space is counted beyond what the process
// has already, which is mostly what Go reserves and never uses.
func confine(limits CompileLimits) error {
	if err := closeInherited(); err != nil {
		return err
	}
	seconds := uint64(limits.CPU / time.Second)
	all := []struct {
		what      int
		soft, max uint64
	}{
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_NOFILE, workerFiles, workerFiles},
		{unix.RLIMIT_FSIZE, workerFileSize, workerFileSize},
		{unix.RLIMIT_CPU, seconds, seconds + 1}, // at the first it can still say why
	}
	for _, l := range all {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.soft, Max: l.max}); err != nil {
			return fmt.Errorf("limit %d cannot be set: %w", l.what, err)
		}
	}
	if !raceEnabled { // the race detector takes address space by terabytes
		have, err := addressSpace()
		if err != nil {
			return err
		}
		most := have + limits.Memory
		if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("the limit of memory cannot be set: %w", err)
		}
	}
	return yieldToOthers()
}

// closeInherited closes every file but the three that were handed over. Not all
// that a server has open closes by itself in its children. What the Go runtime
// has opened for itself has no name in the file system.
func closeInherited() error {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			return err
		}
		name, err := os.Readlink("/proc/self/fd/" + f.Name())
		if fd <= 2 || err != nil || strings.HasPrefix(name, "anon_inode:") {
			continue // an error: it was the directory's own
		}
		_ = unix.Close(fd)
	}
	return nil
}

// addressSpace is how much this process has mapped, in bytes.
func addressSpace() (uint64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	pages, _, _ := strings.Cut(string(statm), " ")
	n, err := strconv.ParseUint(pages, 10, 52)
	return n * uint64(os.Getpagesize()), err
}

// yieldToOthers lowers the priority of every thread; those to come inherit it.
func yieldToOthers() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, workerNice); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// detach gives a command a process group of its own, which dies with the thread
// that starts it. If it is this program, it is so even when the file has been
// replaced by another release since.
func detach(cmd *exec.Cmd) {
	if self, err := os.Executable(); err == nil && self == cmd.Path {
		cmd.Path = "/proc/self/exe"
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
}

// isDiskFull reports whether there was no room for a file.
func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// usedUp reports whether a process has used the whole of its processor time.
func usedUp(state *os.ProcessState, limit time.Duration) bool {
	return state.UserTime()+state.SystemTime() >= limit/10*9 // the system counts in two ways
}
