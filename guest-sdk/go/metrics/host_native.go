//go:build !wasip1

package metrics

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostRecord(request []byte) ([]byte, error) { return hostcall.Native("metrics", "record", request) }
