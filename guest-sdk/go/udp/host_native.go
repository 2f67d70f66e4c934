//go:build !wasip1

package udp

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("udp", "open", request) }

func hostSend(request []byte) ([]byte, error) { return hostcall.Native("udp", "send", request) }
