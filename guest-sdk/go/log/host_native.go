//go:build !wasip1

package log

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostWrite(request []byte) ([]byte, error) { return hostcall.Native("log", "write", request) }
