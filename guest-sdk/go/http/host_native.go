//go:build !wasip1

package http

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostRequest(request []byte) ([]byte, error) { return hostcall.Native("http", "request", request) }

func hostRead(request []byte) ([]byte, error) { return hostcall.Native("http", "read", request) }
