package control

import "github.com/snaprail/snaprail/runtime/fault"

// The parts of the package that are worth a test of their own.
var (
	ParsePosition = parsePosition
	Position      = position
	NewID         = newID
	Cut           = func(s string) string { return fault.Clip(s, maxMessage) }
)

// EndOfBlock is an index behind every record of a block.
const EndOfBlock = endOfBlock
