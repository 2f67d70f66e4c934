//nolint:unused // called by the host
package main

import snaprail "github.com/snaprail/snaprail/guest-sdk/go"

//go:wasmexport op_send_message
func opSendMessage(ptr, n uint32) uint64 { return snaprail.Operation("send_message", ptr, n) }
