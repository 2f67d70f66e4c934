package main

import (
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
)

func runServe(context.Context, serveOptions) error {
	return fault.New(fault.Unsupported, "serve is not built in yet")
}

func runDemo(context.Context, demoOptions) error {
	return fault.New(fault.Unsupported, "demo is not built in yet")
}
