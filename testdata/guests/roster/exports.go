//nolint:unused // called by the host
package main

import snaprail "github.com/snaprail/snaprail/guest-sdk/go"

//go:wasmexport op_register_device
func opRegisterDevice(ptr, n uint32) uint64 { return snaprail.Operation("register_device", ptr, n) }

//go:wasmexport op_update_device
func opUpdateDevice(ptr, n uint32) uint64 { return snaprail.Operation("update_device", ptr, n) }

//go:wasmexport op_disconnect_device
func opDisconnectDevice(ptr, n uint32) uint64 { return snaprail.Operation("disconnect_device", ptr, n) }

//go:wasmexport op_delete_device
func opDeleteDevice(ptr, n uint32) uint64 { return snaprail.Operation("delete_device", ptr, n) }

//go:wasmexport op_devices
func opDevices(ptr, n uint32) uint64 { return snaprail.Operation("devices", ptr, n) }

//go:wasmexport op_add
func opAdd(ptr, n uint32) uint64 { return snaprail.Operation("add", ptr, n) }

//go:wasmexport op_update
func opUpdate(ptr, n uint32) uint64 { return snaprail.Operation("update", ptr, n) }

//go:wasmexport op_remove
func opRemove(ptr, n uint32) uint64 { return snaprail.Operation("remove", ptr, n) }

//go:wasmexport op_get
func opGet(ptr, n uint32) uint64 { return snaprail.Operation("get", ptr, n) }

//go:wasmexport op_own_put
func opOwnPut(ptr, n uint32) uint64 { return snaprail.Operation("own_put", ptr, n) }

//go:wasmexport op_own_disconnect
func opOwnDisconnect(ptr, n uint32) uint64 { return snaprail.Operation("own_disconnect", ptr, n) }

//go:wasmexport op_own_remove
func opOwnRemove(ptr, n uint32) uint64 { return snaprail.Operation("own_remove", ptr, n) }

//go:wasmexport op_own_devices
func opOwnDevices(ptr, n uint32) uint64 { return snaprail.Operation("own_devices", ptr, n) }

//go:wasmexport op_own_told
func opOwnTold(ptr, n uint32) uint64 { return snaprail.Operation("own_told", ptr, n) }
