//go:build !wasip1

package opcua

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("opcua", "open", request) }

func hostInfo(request []byte) ([]byte, error) { return hostcall.Native("opcua", "info", request) }

func hostRead(request []byte) ([]byte, error) { return hostcall.Native("opcua", "read", request) }

func hostBrowse(request []byte) ([]byte, error) { return hostcall.Native("opcua", "browse", request) }

func hostSubscribe(request []byte) ([]byte, error) {
	return hostcall.Native("opcua", "subscribe", request)
}

func hostWrite(request []byte) ([]byte, error) { return hostcall.Native("opcua", "write", request) }

func hostCall(request []byte) ([]byte, error) { return hostcall.Native("opcua", "call", request) }
