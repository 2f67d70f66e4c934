//go:build !wasip1

package kv

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostGet(request []byte) ([]byte, error) { return hostcall.Native("kv", "get", request) }

func hostPut(request []byte) ([]byte, error) { return hostcall.Native("kv", "put", request) }
