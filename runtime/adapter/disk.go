package adapter

import "syscall"

// What the file system says that has no name in package fs.
const (
	errNotFolder = syscall.ENOTDIR
	errIsFolder  = syscall.EISDIR
	errNoSpace   = syscall.ENOSPC
)
