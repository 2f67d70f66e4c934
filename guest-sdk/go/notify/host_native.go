//go:build !wasip1

package notify

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostSend(request []byte) ([]byte, error) { return hostcall.Native("notify", "send", request) }
