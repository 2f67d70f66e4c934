//go:build !wasip1

package connectors

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostCall(request []byte) ([]byte, error) {
	return hostcall.Native("connectors", "call", request)
}
