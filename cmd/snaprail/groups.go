package main

import "github.com/snaprail/snaprail/runtime/capability"

// groups is all that a guest can be granted in this version.
func groups() capability.Registry {
	return capability.NewRegistry()
}
