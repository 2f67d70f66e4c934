//go:build !wasip1

package tcp

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("tcp", "open", request) }

func hostWrite(request []byte) ([]byte, error) { return hostcall.Native("tcp", "write", request) }

func hostRead(request []byte) ([]byte, error) { return hostcall.Native("tcp", "read", request) }

func hostTransact(request []byte) ([]byte, error) { return hostcall.Native("tcp", "transact", request) }
