//go:build !linux

package file

import "os"

// openWithoutLinks opens a path that had no links in it a moment ago; these
// systems cannot promise that it has none now. What is not a regular file is
// refused before it is opened, because opening a pipe waits.
func openWithoutLinks(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrInvalid}
	}
	return os.Open(path)
}
