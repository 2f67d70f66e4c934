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

// The weights of the lines that such a guest logs, for ExtismSettings.
const (
	ExtismTrace = extism.LevelTrace
	ExtismInfo  = extism.LevelInfo
	ExtismOff   = extism.LevelOff
)

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
	call                  func(i *Instance, p []uint64)
}

// kernelFunctions are those of the reference implementation.
func kernelFunctions() []kernelFunction {
	return []kernelFunction{
		{"alloc", "I", "I", kernelAlloc},
		{"free", "I", "", func(i *Instance, p []uint64) { i.kernel.Free(p[0]) }},
		{"length", "I", "I", func(i *Instance, p []uint64) { p[0] = i.kernel.Length(p[0]) }},
		{"length_unsafe", "I", "I", func(i *Instance, p []uint64) { p[0] = i.kernel.Length(p[0]) }},
		{"load_u8", "I", "i", func(i *Instance, p []uint64) { p[0] = uint64(i.kernel.Load8(p[0])) }},
		{"load_u64", "I", "I", func(i *Instance, p []uint64) { p[0] = i.kernel.Load64(p[0]) }},
		{"store_u8", "Ii", "", func(i *Instance, p []uint64) { i.kernel.Store8(p[0], byte(p[1])) }},
		{"store_u64", "II", "", func(i *Instance, p []uint64) { i.kernel.Store64(p[0], p[1]) }},
		{"input_set", "II", "", func(i *Instance, p []uint64) { i.kernel.SetInput(p[0], p[1]) }},
		{"input_length", "", "I", func(i *Instance, p []uint64) { _, p[0] = i.kernel.Input() }},
		{"input_offset", "", "I", func(i *Instance, p []uint64) { p[0], _ = i.kernel.Input() }},
		{"input_load_u8", "I", "i", func(i *Instance, p []uint64) { p[0] = uint64(i.kernel.InputLoad8(p[0])) }},
		{"input_load_u64", "I", "I", func(i *Instance, p []uint64) { p[0] = i.kernel.InputLoad64(p[0]) }},
		{"output_set", "II", "", func(i *Instance, p []uint64) { i.kernel.SetOutput(p[0], p[1]) }},
		{"output_length", "", "I", func(i *Instance, p []uint64) { _, p[0] = i.kernel.OutputRange() }},
		{"output_offset", "", "I", func(i *Instance, p []uint64) { p[0], _ = i.kernel.OutputRange() }},
		{"error_set", "I", "", func(i *Instance, p []uint64) { i.kernel.SetError(p[0]) }},
		{"error_get", "", "I", func(i *Instance, p []uint64) { p[0] = i.kernel.Error() }},
		{"reset", "", "", func(i *Instance, _ []uint64) { i.kernel.Reset() }},
		{"memory_bytes", "", "I", func(i *Instance, p []uint64) { p[0] = i.kernel.Memory() }},
		{"config_get", "I", "I", kernelConfig},
		{"var_get", "I", "I", kernelVar},
		{"var_set", "II", "", kernelSetVar},
		{"http_request", "II", "I", kernelRequest},
		{"http_status_code", "", "i", func(_ *Instance, p []uint64) { p[0] = 0 }},
		{"http_headers", "", "I", func(_ *Instance, p []uint64) { p[0] = 0 }},
		{"get_log_level", "", "i", func(i *Instance, p []uint64) { p[0] = api.EncodeI32(i.kernel.LogLevel()) }},
		{"log_trace", "I", "", kernelLog(extism.LevelTrace, abi.LogDebug)},
		{"log_debug", "I", "", kernelLog(extism.LevelDebug, abi.LogDebug)},
		{"log_info", "I", "", kernelLog(extism.LevelInfo, abi.LogInfo)},
		{"log_warn", "I", "", kernelLog(extism.LevelWarn, abi.LogWarning)},
		{"log_error", "I", "", kernelLog(extism.LevelError, abi.LogError)},
	}
}

// buildKernel makes the module that all guests import the kernel from.
func buildKernel(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(kernelModule)
	for _, f := range kernelFunctions() {
		call := f.call
		b.NewFunctionBuilder().WithGoModuleFunction(
			api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
				i := caller(ctx)
				i.bill(kernelUnits)
				call(i, stack)
			}), valueTypes(f.params), valueTypes(f.results)).Export(f.name)
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

func kernelAlloc(i *Instance, p []uint64) {
	n := p[0]
	p[0] = i.kernel.Alloc(n)
	if p[0] == 0 {
		i.memory.refused = n > 0
		return
	}
	i.bill(int64(n / bytesPerUnit)) //nolint:gosec // there is a block of n bytes
}

func kernelConfig(i *Instance, p []uint64) {
	at, err := i.kernel.Config(p[0])
	i.refuse(err)
	i.bill(int64(i.kernel.Length(at) / bytesPerUnit)) //nolint:gosec // the length of a block
	p[0] = at
}

func kernelVar(i *Instance, p []uint64) {
	at, err := i.kernel.Var(p[0])
	i.refuse(err)
	i.bill(int64(i.kernel.Length(at) / bytesPerUnit)) //nolint:gosec // the length of a block
	p[0] = at
}

func kernelSetVar(i *Instance, p []uint64) {
	i.charge(len(i.kernel.Block(p[0])) + len(i.kernel.Block(p[1])))
	i.refuse(i.kernel.SetVar(p[0], p[1]))
}

// kernelRequest is never granted: it checks the name of a host and not where
// that leads. The group http takes its place.
func kernelRequest(i *Instance, p []uint64) {
	i.used.denied.Add(1)
	i.host.Denied("http", "extism http_request")
	i.charge(len(i.kernel.Block(p[0])))
	i.refuse(i.kernel.RefuseRequest(p[0]))
}

// kernelLog takes a text of the guest's log, a line at a time.
func kernelLog(level extism.Level, as abi.LogLevel) func(*Instance, []uint64) {
	return func(i *Instance, p []uint64) {
		if i.kernel.Takes(level) {
			text := i.kernel.Block(p[0])
			i.charge(len(text))
			i.log(as, text[:min(len(text), maxLine)])
		}
		i.kernel.Free(p[0])
	}
}

func (i *Instance) log(level abi.LogLevel, text []byte) {
	h, ok := i.host.(LogHost)
	for line := range strings.Lines(string(text)) { // the Host keeps none of the kernel's bytes
		line := []byte(strings.TrimSuffix(line, "\n"))
		if ok {
			h.Log(level, line)
		} else {
			i.host.Output(2, line)
		}
		i.bill(kernelUnits)
	}
}

// ExtismUpload is an Extism manifest with the module that it holds.
type ExtismUpload = extism.Upload

// ReadExtismManifest reads an Extism manifest; see extism.ReadManifest.
func ReadExtismManifest(src []byte) (ExtismUpload, error) { return extism.ReadManifest(src) }
