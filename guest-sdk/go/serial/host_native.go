//go:build !wasip1

package serial

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("serial", "open", request) }

func hostWrite(request []byte) ([]byte, error) { return hostcall.Native("serial", "write", request) }

func hostDrain(request []byte) ([]byte, error) { return hostcall.Native("serial", "drain", request) }

func hostFlush(request []byte) ([]byte, error) { return hostcall.Native("serial", "flush", request) }
