package engine

import (
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// argsGet and environ_get: there are no arguments and no environment.
func argsGet(*Instance, []uint64) errno { return esuccess }

// argsSizesGet and environ_sizes_get (count, size): both are 0.
func argsSizesGet(i *Instance, p []uint64) errno {
	if e := i.put32(p[0], 0); e != esuccess {
		return e
	}
	return i.put32(p[1], 0)
}

// procExit (code) ends the guest, whatever the code is.
func procExit(_ *Instance, p []uint64) errno {
	panic(sys.NewExitError(api.DecodeU32(p[0])))
}

// schedYield does nothing: nothing else runs in the guest.
func schedYield(*Instance, []uint64) errno { return esuccess }
