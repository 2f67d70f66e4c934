//go:build !wasip1

package devices

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostGet(request []byte) ([]byte, error) { return hostcall.Native("devices", "get", request) }

func hostList(request []byte) ([]byte, error) { return hostcall.Native("devices", "list", request) }

func hostPut(request []byte) ([]byte, error) { return hostcall.Native("devices", "put", request) }

func hostDisconnect(request []byte) ([]byte, error) {
	return hostcall.Native("devices", "disconnect", request)
}

func hostRemove(request []byte) ([]byte, error) { return hostcall.Native("devices", "remove", request) }
