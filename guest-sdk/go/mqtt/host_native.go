//go:build !wasip1

package mqtt

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("mqtt", "open", request) }

func hostPublish(request []byte) ([]byte, error) { return hostcall.Native("mqtt", "publish", request) }

func hostWill(request []byte) ([]byte, error) { return hostcall.Native("mqtt", "will", request) }

func hostReconnect(request []byte) ([]byte, error) {
	return hostcall.Native("mqtt", "reconnect", request)
}

func hostInfo(request []byte) ([]byte, error) { return hostcall.Native("mqtt", "info", request) }

func hostClose(request []byte) ([]byte, error) { return hostcall.Native("mqtt", "close", request) }
