//go:build !wasip1

package random

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostRead(request []byte) ([]byte, error) { return hostcall.Native("random", "read", request) }
