//go:build !wasip1

package file

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("file", "open", request) }

func hostRead(request []byte) ([]byte, error) { return hostcall.Native("file", "read", request) }
