package wasmbin

import (
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// producersSection is the custom section in which toolchains name themselves.
const producersSection = "producers"

// The bounds of what is read of it.
const (
	maxProducers    = 16
	maxProducerName = 128
)

// producers reads the names and versions of the tools that made the module. It
// is for people alone: what cannot be read, or is beyond the bounds, is left
// out.
func producers(c cursor) []string {
	tools := []string{}
	for range c.count("fields", maxProducers, fault.WasmSections) {
		c.name("a field")
		for range c.count("tools", maxProducers, fault.WasmSections) {
			tool := strings.TrimSpace(c.name("a tool") + " " + c.name("a version"))
			if c.err != nil || len(tools) == maxProducers {
				return tools
			}
			tools = append(tools, fault.Clip(tool, maxProducerName))
		}
	}
	return tools
}
