package control

// The parts of the package that are worth a test of their own.
var (
	Validate      = validate
	ParsePosition = parsePosition
	Position      = position
	NewID         = newID
	Cut           = cut
)

// EndOfBlock is an index behind every record of a block.
const EndOfBlock = endOfBlock
