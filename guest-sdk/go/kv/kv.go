// Package kv keeps small values for the connector across restarts (group kv).
//
// A write takes effect together with the step that made it: a handler that
// fails has written nothing. A read sees the writes of its own step.
package kv

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Get appends the value of key to dst, which may be nil, and reports whether
// there is one.
func Get(key string, dst []byte) (value []byte, found bool, err error) {
	reply, err := hostGet(abi.KVKey{Key: key}.Append(hostcall.Request()))
	if err != nil {
		return dst, false, err
	}
	var kept abi.KVValue
	if err := kept.Decode(reply); err != nil {
		return dst, false, err
	}
	return append(dst, kept.Value...), kept.Found, nil
}

// Put keeps a value under key.
func Put(key string, value []byte) error {
	return put(abi.KVPut{Key: key, Value: value})
}

// Delete forgets the value of key. It is no error if there is none.
func Delete(key string) error {
	return put(abi.KVPut{Key: key, Delete: true})
}

func put(request abi.KVPut) error {
	_, err := hostPut(request.Append(hostcall.Request()))
	return err
}
