//nolint:unused // called by the host
package main

import snaprail "github.com/snaprail/snaprail/guest-sdk/go"

//go:wasmexport op_put
func opPut(ptr, n uint32) uint64 { return snaprail.Operation("put", ptr, n) }

//go:wasmexport op_get
func opGet(ptr, n uint32) uint64 { return snaprail.Operation("get", ptr, n) }

//go:wasmexport op_list
func opList(ptr, n uint32) uint64 { return snaprail.Operation("list", ptr, n) }

//go:wasmexport op_delete
func opDelete(ptr, n uint32) uint64 { return snaprail.Operation("delete", ptr, n) }

//go:wasmexport op_stat
func opStat(ptr, n uint32) uint64 { return snaprail.Operation("stat", ptr, n) }
