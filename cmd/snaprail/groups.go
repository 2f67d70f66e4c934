package main

import (
	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/file"
	"github.com/snaprail/snaprail/hostfns/kv"
	"github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/runtime/capability"
)

// groups is all that a guest can be granted in this version. Files in the
// folders closed are not among it.
func groups(closed ...string) capability.Registry {
	return capability.NewRegistry(serial.New(serial.Config{}), file.New(closed...), log.New(), clock.New(), kv.New())
}
