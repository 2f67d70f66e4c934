//go:build !wasip1

package snaprail

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

func hostReceive(buf *[]byte, request []byte) ([]byte, error) {
	return hostcall.NativeInto(buf, abi.CoreGroup, "receive", request)
}

func hostEmit(request []byte) ([]byte, error) {
	return hostcall.Native(abi.CoreGroup, "emit", request)
}

func hostHealth(request []byte) ([]byte, error) {
	return hostcall.Native(abi.CoreGroup, "health", request)
}

func hostStateGet(request []byte) ([]byte, error) { return hostcall.Native("kv", "get", request) }

func hostStatePut(request []byte) ([]byte, error) { return hostcall.Native("kv", "put", request) }
