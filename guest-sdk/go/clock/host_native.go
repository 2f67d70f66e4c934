//go:build !wasip1

package clock

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostNow(request []byte) ([]byte, error) { return hostcall.Native("clock", "now", request) }

func hostSleep(request []byte) ([]byte, error) { return hostcall.Native("clock", "sleep", request) }
