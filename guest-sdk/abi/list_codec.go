package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// appendList adds the elements of a list to dst, each as the field of this number and
// as add writes it.
func appendList[T any](dst []byte, field int, list []T, add func(*T, []byte) []byte) []byte {
	for i := range list {
		var mark int
		dst, mark = wire.Begin(dst, field)
		dst = wire.End(add(&list[i], dst), mark)
	}
	return dst
}

// readElement adds the current field of r, as decode reads it, to a list that is
// bounded by MaxItems. what is one of its elements, for faults.
func readElement[T any](r *wire.Reader, what string, list []T, decode func(*T, []byte) error) []T {
	if len(list) >= MaxItems {
		r.Fail(tooLarge(what+"s", MaxItems))
		return list
	}
	n := len(list)
	list = append(list, *new(T))
	r.Fail(at(what, n, decode(&list[n], r.Bytes())))
	return list
}
