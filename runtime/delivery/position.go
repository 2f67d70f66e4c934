package delivery

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Position is the place of a record, or of something that was put aside, in the log.
// As text it is "block.index", in one form only. The zero value is no place.
type Position struct {
	Block uint64
	Index int // in the block
}

// String is the text of it.
func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Block, p.Index) }

// Compare orders positions as the log has them.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Block, q.Block), cmp.Compare(p.Index, q.Index))
}

// MarshalText implements encoding.TextMarshaler.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Invalid: the text is none.
func (p *Position) UnmarshalText(text []byte) error {
	block, index, ok := strings.Cut(string(text), ".")
	var q Position
	var errBlock, errIndex error
	q.Block, errBlock = strconv.ParseUint(block, 10, 64)
	q.Index, errIndex = strconv.Atoi(index)
	if !ok || errBlock != nil || errIndex != nil || q.Block == 0 || q.Index < 0 || q.String() != string(text) {
		return fault.New(fault.Invalid, "%.100q is no position", text)
	}
	*p = q
	return nil
}
