package engine

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/runtime/fault"
)

// WASIModule is the import module of WASI preview 1.
const WASIModule = "wasi_snapshot_preview1"

// errno is a WASI error number.
type errno uint16

// The error numbers that the shim answers.
const (
	esuccess errno = 0
	ebadf    errno = 8
	efault   errno = 21
	einval   errno = 28
	enosys   errno = 52
)

// wasiFunction is one function of preview 1. Parameters are those of
// valueTypes; all but proc_exit answer an errno.
type wasiFunction struct {
	name, params string
	call         func(i *Instance, p []uint64) errno
}

// wasiFunctions is all of preview 1. There are no files and no sockets: every
// descriptor but stdout's and stderr's is a bad one. These functions exist
// because ordinary programs import them without calling them.
func wasiFunctions() []wasiFunction {
	return []wasiFunction{
		{"args_get", "ii", argsGet},
		{"args_sizes_get", "ii", argsSizesGet},
		{"clock_res_get", "ii", clockResGet},
		{"clock_time_get", "iIi", clockTimeGet},
		{"environ_get", "ii", argsGet},
		{"environ_sizes_get", "ii", argsSizesGet},
		{"fd_advise", "iIIi", badDescriptor},
		{"fd_allocate", "iII", badDescriptor},
		{"fd_close", "i", badDescriptor},
		{"fd_datasync", "i", badDescriptor},
		{"fd_fdstat_get", "ii", badDescriptor},
		{"fd_fdstat_set_flags", "ii", badDescriptor},
		{"fd_fdstat_set_rights", "iII", badDescriptor},
		{"fd_filestat_get", "ii", badDescriptor},
		{"fd_filestat_set_size", "iI", badDescriptor},
		{"fd_filestat_set_times", "iIIi", badDescriptor},
		{"fd_pread", "iiiIi", badDescriptor},
		{"fd_prestat_dir_name", "iii", badDescriptor},
		{"fd_prestat_get", "ii", badDescriptor},
		{"fd_pwrite", "iiiIi", badDescriptor},
		{"fd_read", "iiii", badDescriptor},
		{"fd_readdir", "iiiIi", badDescriptor},
		{"fd_renumber", "ii", badDescriptor},
		{"fd_seek", "iIii", badDescriptor},
		{"fd_sync", "i", badDescriptor},
		{"fd_tell", "ii", badDescriptor},
		{"fd_write", "iiii", fdWrite},
		{"path_create_directory", "iii", badDescriptor},
		{"path_filestat_get", "iiiii", badDescriptor},
		{"path_filestat_set_times", "iiiiIIi", badDescriptor},
		{"path_link", "iiiiiii", badDescriptor},
		{"path_open", "iiiiiIIii", badDescriptor},
		{"path_readlink", "iiiiii", badDescriptor},
		{"path_remove_directory", "iii", badDescriptor},
		{"path_rename", "iiiiii", badDescriptor},
		{"path_symlink", "iiiii", badDescriptor},
		{"path_unlink_file", "iii", badDescriptor},
		{"poll_oneoff", "iiii", pollOneoff},
		{"proc_exit", "i", procExit},
		{"proc_raise", "i", notImplemented},
		{"random_get", "ii", randomGet},
		{"sched_yield", "", schedYield},
		{"sock_accept", "iii", notImplemented},
		{"sock_recv", "iiiiii", notImplemented},
		{"sock_send", "iiiii", notImplemented},
		{"sock_shutdown", "ii", notImplemented},
	}
}

func (f wasiFunction) results() string {
	if f.name == "proc_exit" {
		return ""
	}
	return "i"
}

func badDescriptor(*Instance, []uint64) errno { return ebadf }

func notImplemented(*Instance, []uint64) errno { return enosys }

// wasiState is what WASI keeps for one instance. Time and random numbers are
// the guest's only inputs besides calls, and both come from here, so that a
// recording is small and can be played again exactly.
type wasiState struct {
	clock  clock
	random *rand.ChaCha8
	output [2]lines // stdout, stderr

	tail    []byte // the end of stderr
	verdict []byte // the last line of stderr that said why the guest gives up
}

// seed takes the seed of the instance's random numbers from the system.
func (w *wasiState) seed() error {
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return fault.Wrap(fault.Internal, err, "the system gives no random numbers")
	}
	w.random = rand.NewChaCha8(seed)
	return nil
}

// buildWASI makes the module that guests import WASI from.
func buildWASI(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(WASIModule)
	for _, f := range wasiFunctions() {
		call := f.call
		b.NewFunctionBuilder().WithGoModuleFunction(
			api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
				i := caller(ctx)
				stack[0] = uint64(call(i, stack))
				i.charge(0)
			}), valueTypes(f.params), valueTypes(f.results())).Export(f.name)
	}
	return instantiateHost(ctx, r, b)
}

// put32 and put64 write a result where the guest wants it.
func (i *Instance) put32(ptr uint64, v uint32) errno {
	b, ok := i.memory.at(api.DecodeU32(ptr), 4)
	if !ok {
		return efault
	}
	binary.LittleEndian.PutUint32(b, v)
	return esuccess
}

func (i *Instance) put64(ptr, v uint64) errno {
	b, ok := i.memory.at(api.DecodeU32(ptr), 8)
	if !ok {
		return efault
	}
	binary.LittleEndian.PutUint64(b, v)
	return esuccess
}
