//go:build !wasip1

package hooks

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("hooks", "open", request) }

func hostReply(request []byte) ([]byte, error) { return hostcall.Native("hooks", "reply", request) }
