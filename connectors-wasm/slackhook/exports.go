//nolint:unused // called by the host
package main

import snaprail "github.com/snaprail/snaprail/guest-sdk/go"

//go:wasmexport op_send
func opSend(ptr, n uint32) uint64 { return snaprail.Operation("send", ptr, n) }
