//go:build !wasip1

package files

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostList(request []byte) ([]byte, error) { return hostcall.Native("files", "list", request) }

func hostStat(request []byte) ([]byte, error) { return hostcall.Native("files", "stat", request) }

func hostRead(request []byte) ([]byte, error) { return hostcall.Native("files", "read", request) }
