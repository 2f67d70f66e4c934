package engine

import (
	"context"
	"maps"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine/extism"
)

// The modules that guests with an Extism PDK import.
const (
	kernelModule = "extism:host/env"
	userModule   = "extism:host/user"
)

// ExtismSettings are what a guest with an Extism PDK finds in its kernel.
type ExtismSettings = extism.Settings

// LogHost is a Host that takes the lines that a guest with an Extism PDK logs.
// A Host that is none gets them as lines of stderr.
type LogHost interface {
	Host
	// Log takes a line without its line feed. line is valid during the call
	// only.
	Log(level abi.LogLevel, line []byte)
}

// kernelUnits is what a call of the kernel costs, in units: about the time that
// crossing the wall takes.
const kernelUnits = 100

// kernel is what an instance has instead of an input buffer when its guest has
// an Extism PDK.
type kernel struct {
	*extism.Kernel

	link    Link
	awake   bool   // the guest's runtime was initialized
	rc      uint32 // of the last call
	reply   []byte // of the last host function
	failure []byte // of the last host function, encoded; none: it succeeded
}

// newKernel makes the kernel of an instance; nil: its module needs none.
func newKernel(i *Instance, cfg InstanceConfig) *kernel {
	if !i.code.info.HasExtism {
		return nil
	}
	var settings extism.Settings
	if cfg.Extism != nil {
		settings = *cfg.Extism
	}
	return &kernel{Kernel: extism.NewKernel(settings, i.memory.beside), link: maps.Clone(cfg.Link)}
}

// kernelFunction is one function of the kernel: p holds its parameters and
// takes its result.
type kernelFunction struct {
	name, params, results string
	call                  api.GoFunc
}

// kernelFunctions are those of the reference implementation.
func kernelFunctions() []kernelFunction {
	return []kernelFunction{
		{"alloc", "I", "I", kernelAlloc},
		{"free", "I", "", func(ctx context.Context, p []uint64) { enter(ctx).kernel.Free(p[0]) }},
		{"length", "I", "I", func(ctx context.Context, p []uint64) { p[0] = enter(ctx).kernel.Length(p[0]) }},
		{"length_unsafe", "I", "I", func(ctx context.Context, p []uint64) { p[0] = enter(ctx).kernel.Length(p[0]) }},
		{"load_u8", "I", "i", func(ctx context.Context, p []uint64) { p[0] = uint64(enter(ctx).kernel.Load8(p[0])) }},
		{"load_u64", "I", "I", func(ctx context.Context, p []uint64) { p[0] = enter(ctx).kernel.Load64(p[0]) }},
		{"store_u8", "Ii", "", func(ctx context.Context, p []uint64) { enter(ctx).kernel.Store8(p[0], byte(p[1]&0xff)) }},
		{"store_u64", "II", "", func(ctx context.Context, p []uint64) { enter(ctx).kernel.Store64(p[0], p[1]) }},
		{"input_set", "II", "", func(ctx context.Context, p []uint64) { enter(ctx).kernel.SetInput(p[0], p[1]) }},
		{"input_length", "", "I", func(ctx context.Context, p []uint64) { _, p[0] = enter(ctx).kernel.Input() }},
		{"input_offset", "", "I", func(ctx context.Context, p []uint64) { p[0], _ = enter(ctx).kernel.Input() }},
		{"input_load_u8", "I", "i", func(ctx context.Context, p []uint64) { p[0] = uint64(enter(ctx).kernel.InputLoad8(p[0])) }},
		{"input_load_u64", "I", "I", func(ctx context.Context, p []uint64) { p[0] = enter(ctx).kernel.InputLoad64(p[0]) }},
		{"output_set", "II", "", func(ctx context.Context, p []uint64) { enter(ctx).kernel.SetOutput(p[0], p[1]) }},
		{"output_length", "", "I", func(ctx context.Context, p []uint64) { _, p[0] = enter(ctx).kernel.OutputRange() }},
		{"output_offset", "", "I", func(ctx context.Context, p []uint64) { p[0], _ = enter(ctx).kernel.OutputRange() }},
		{"error_set", "I", "", func(ctx context.Context, p []uint64) { enter(ctx).kernel.SetError(p[0]) }},
		{"error_get", "", "I", func(ctx context.Context, p []uint64) { p[0] = enter(ctx).kernel.Error() }},
		{"reset", "", "", func(ctx context.Context, _ []uint64) { enter(ctx).kernel.Reset() }},
		{"memory_bytes", "", "I", func(ctx context.Context, p []uint64) { p[0] = enter(ctx).kernel.Memory() }},
		{"config_get", "I", "I", kernelConfig},
		{"var_get", "I", "I", kernelVar},
		{"var_set", "II", "", kernelSetVar},
		{"http_request", "II", "I", kernelRequest},
		{"http_status_code", "", "i", func(ctx context.Context, p []uint64) { enter(ctx); p[0] = 0 }},
		{"http_headers", "", "I", func(ctx context.Context, p []uint64) { enter(ctx); p[0] = 0 }},
		{"get_log_level", "", "i", func(ctx context.Context, p []uint64) { p[0] = api.EncodeI32(enter(ctx).kernel.LogLevel()) }},
		{"log_trace", "I", "", kernelLog(extism.LevelTrace, abi.LogDebug)},
		{"log_debug", "I", "", kernelLog(extism.LevelDebug, abi.LogDebug)},
		{"log_info", "I", "", kernelLog(extism.LevelInfo, abi.LogInfo)},
		{"log_warn", "I", "", kernelLog(extism.LevelWarn, abi.LogWarning)},
		{"log_error", "I", "", kernelLog(extism.LevelError, abi.LogError)},
	}
}

// enter is the instance that a function of the kernel was called from, which
// is charged for it.
func enter(ctx context.Context) *Instance {
	i := caller(ctx)
	i.bill(kernelUnits)
	return i
}

// buildKernel makes the module that all guests import the kernel from.
func buildKernel(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(kernelModule)
	for _, f := range kernelFunctions() {
		b.NewFunctionBuilder().
			WithGoFunction(f.call, valueTypes(f.params), valueTypes(f.results)). // no module for wazero to look for
			Export(f.name)
	}
	return instantiateHost(ctx, r, b)
}

// refuse ends a guest for the want of something that the kernel cannot answer.
func (i *Instance) refuse(err error) {
	if err == nil {
		return
	}
	if err == extism.ErrNoRoom { //nolint:errorlint // it is never wrapped
		i.memory.refused = true
	}
	panic(err) // wazero makes it the guest's trap
}

func kernelAlloc(ctx context.Context, p []uint64) {
	i := enter(ctx)
	n := p[0]
	p[0] = i.kernel.Alloc(n)
	if p[0] == 0 {
		i.memory.refused = n > 0
		return
	}
	i.bill(int64(n / bytesPerUnit)) //nolint:gosec // there is a block of n bytes
}

func kernelConfig(ctx context.Context, p []uint64) {
	i := enter(ctx)
	at, err := i.kernel.Config(p[0])
	p[0] = i.kept(at, err)
}

func kernelVar(ctx context.Context, p []uint64) {
	i := enter(ctx)
	at, err := i.kernel.Var(p[0])
	p[0] = i.kept(at, err)
}

// kept bills the block that a kept value was copied to.
func (i *Instance) kept(at uint64, err error) uint64 {
	i.refuse(err)
	i.bill(int64(i.kernel.Length(at) / bytesPerUnit)) //nolint:gosec // the length of a block
	return at
}

func kernelSetVar(ctx context.Context, p []uint64) {
	i := enter(ctx)
	i.charge(len(i.kernel.Block(p[0])) + len(i.kernel.Block(p[1])))
	i.refuse(i.kernel.SetVar(p[0], p[1]))
}

// kernelRequest is never granted: it checks the name of a host and not where
// that leads. The group http takes its place.
func kernelRequest(ctx context.Context, p []uint64) {
	i := enter(ctx)
	i.deny("http", "extism http_request")
	i.charge(len(i.kernel.Block(p[0])))
	i.refuse(i.kernel.RefuseRequest(p[0]))
}

// kernelLog takes a text of the guest's log, a line at a time.
func kernelLog(level extism.Level, as abi.LogLevel) api.GoFunc {
	return func(ctx context.Context, p []uint64) {
		i := enter(ctx)
		if i.kernel.Takes(level) {
			text := i.kernel.Block(p[0])
			i.charge(len(text))
			i.log(as, text[:min(len(text), maxLine)])
		}
		i.kernel.Free(p[0])
	}
}

func (i *Instance) log(level abi.LogLevel, text []byte) {
	for line := range strings.Lines(string(text)) { // the Host keeps none of the kernel's bytes
		i.logLine(level, []byte(strings.TrimSuffix(line, "\n")))
		i.bill(kernelUnits)
	}
}

func (i *Instance) logLine(level abi.LogLevel, line []byte) {
	h, ok := i.host.(LogHost)
	if !ok {
		i.tell(2, line)
		return
	}
	defer i.blame("host", "Log")
	h.Log(level, line)
}

// ExtismUpload is an Extism manifest with the module that it holds.
type ExtismUpload = extism.Upload

// ReadExtismManifest reads an Extism manifest; see extism.ReadManifest.
func ReadExtismManifest(src []byte) (ExtismUpload, error) { return extism.ReadManifest(src) }
