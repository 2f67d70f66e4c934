package badger

import (
	"fmt"
	"runtime/debug"

	"github.com/snaprail/snaprail/runtime/fault"
)

// damaged says that what is stored cannot be trusted; err may be nil.
func damaged(err error, format string, args ...any) *fault.Fault {
	f := fault.New(fault.Integrity, format, args...)
	if err != nil {
		f = fault.Wrap(fault.Integrity, err, format, args...)
	}
	return f.WithHint("Stop the server and restore the store's directory from a backup; " +
		"keep the damaged one for an analysis.")
}

// guard runs what touches Badger's files on this goroutine and turns a panic,
// or the fault of a memory map, into damage: Badger checks little of what it
// reads. What happens on Badger's own goroutines is out of reach.
func guard(what string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged(fmt.Errorf("%.200v", p), "%s cannot be read", what)
		}
	}()
	return fn()
}
