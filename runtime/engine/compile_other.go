//go:build !linux

package engine

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// workerWall is all that bounds a compilation here.
const workerWall = 15 * time.Second

// confine binds this process; here the wall clock of the parent is all there
// is.
func confine(CompileLimits) error { return nil }

// detach leaves a command as it is: the wall clock kills it alone.
func detach(*exec.Cmd) {}

// isDiskFull reports whether there was no room for a file.
func isDiskFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// usedUp reports whether a process has used the whole of its processor time;
// here it has no limit.
func usedUp(*os.ProcessState, time.Duration) bool { return false }
