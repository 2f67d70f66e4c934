//go:build !linux || ppc64le

package serial

import (
	"path/filepath"
	"runtime"
)

func systemDriver() driver { return portable{} }

func systemLister() lister { return portable{} }

// absolute reports whether a port is named in full. Windows has COM3.
func absolute(port string) bool { return runtime.GOOS == "windows" || filepath.IsAbs(port) }
