// Package extism is what guests with an Extism PDK find on the host's side of
// the wall: the kernel that their functions work on, and the manifest that
// they are described by.
//
// The engine links guests to the kernel, and the catalog reads manifests with
// it; nobody else imports it. It is the only room of go-sdk, whose type the
// manifest is; none of go-sdk's code runs a guest here.
//
// Its invariant: whatever a guest asks of its Kernel, nothing outside of the
// kernel's own memory is read or written, and that memory stays within what
// the engine grants it.
package extism
