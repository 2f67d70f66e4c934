package extism

import (
	"errors"
	"iter"
	"math"
)

// Level is the weight of a log line, in the order of the PDKs.
type Level uint8

// The levels. LevelDefault is LevelInfo.
const (
	LevelDefault Level = iota
	LevelTrace
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelOff
)

// Number is what get_log_level answers: 0 for trace to 4 for error.
func (l Level) Number() int32 {
	switch l {
	case LevelDefault:
		return LevelInfo.Number()
	case LevelOff:
		return math.MaxInt32
	default:
		return int32(l - LevelTrace)
	}
}

// DefaultMaxVars bounds the variables of a guest in bytes, as go-sdk does.
const DefaultMaxVars = 1 << 20

// Settings are what a guest finds in its kernel beside its input. The zero
// value is a guest without config.
type Settings struct {
	// Config is what config_get answers. It is not changed while a guest has
	// it.
	Config map[string]string
	// MaxVars bounds the guest's variables in bytes: names, values and 40 for
	// each. 0: DefaultMaxVars; below 0: the guest may set none.
	MaxVars int
	// LogLevel is the least weight of a log line that is taken.
	LogLevel Level
}

// Takes reports whether a log line of this weight is wanted.
func (k *Kernel) Takes(l Level) bool { return l.Number() >= k.settings.LogLevel.Number() }

// LogLevel is what get_log_level answers.
func (k *Kernel) LogLevel() int32 { return k.settings.LogLevel.Number() }

// The errors that end a guest.
var (
	// ErrVarsDisabled says that the guest may set no variables.
	ErrVarsDisabled = errors.New("Vars are disabled by this host") // guests of go-sdk know this text
	// ErrVarsFull says that a variable does not fit under MaxVars.
	ErrVarsFull = errors.New("Variable store is full") //nolint:staticcheck // guests of go-sdk know this text
	// ErrNoRoom says that the kernel has no memory left for the host's answer.
	ErrNoRoom = errors.New("no memory is left for the host's answer")
)

// Config makes a block with the config value whose name is in a block; 0 if
// there is none of that name. The name's block stays.
func (k *Kernel) Config(name uint64) (at uint64, err error) {
	value := k.settings.Config[string(k.Block(name))]
	if value == "" {
		return 0, nil
	}
	at, ok := k.take(uint64(len(value)))
	if !ok {
		return 0, ErrNoRoom
	}
	copy(k.bytes[at:], value)
	return at, nil
}

// variable is a value that stays from call to call.
type variable struct{ value []byte }

const (
	// varOverhead is what MaxVars counts for a variable beside its bytes.
	varOverhead = 40
	// varHeld is what a variable takes beside its bytes, roughly.
	varHeld = 160
)

// Var makes a block with the variable whose name is in a block; 0 if there is
// none of that name, or it is empty. The name's block is freed.
func (k *Kernel) Var(name uint64) (at uint64, err error) {
	v := k.vars[string(k.Block(name))]
	k.Free(name)
	if v == nil {
		return 0, nil
	}
	at, ok := k.Put(v.value)
	if !ok {
		return 0, ErrNoRoom
	}
	return at, nil
}

// SetVar sets the variable whose name is in one block to what is in the other,
// or deletes it if value is 0. Both blocks are freed.
func (k *Kernel) SetVar(name, value uint64) error {
	most := k.settings.MaxVars
	switch {
	case most < 0:
		return ErrVarsDisabled
	case most == 0:
		most = DefaultMaxVars
	}
	key := k.Block(name)
	old := k.vars[string(key)]
	k.Free(name)
	if value == 0 {
		k.dropVar(key, old)
		return nil
	}
	content := k.Block(value)
	k.Free(value)
	size := uint64(len(key) + len(content) + varOverhead)
	if k.varBytes+size >= uint64(most) { // one that is there counts as well
		return ErrVarsFull
	}
	if old == nil {
		return k.addVar(string(key), content, size)
	}
	if len(content) > cap(old.value) {
		if !k.hold(uint64(len(content) - cap(old.value))) {
			return ErrVarsFull
		}
		k.varBytes += uint64(len(content) - len(old.value))
		old.value = append(make([]byte, 0, len(content)), content...)
		return nil
	}
	k.varBytes += uint64(len(content)) - uint64(len(old.value))
	old.value = append(old.value[:0], content...)
	return nil
}

// Vars lists the variables. Values are valid until the next use of the kernel.
func (k *Kernel) Vars() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name, v := range k.vars {
			if !yield(name, v.value) {
				return
			}
		}
	}
}

func (k *Kernel) addVar(key string, content []byte, size uint64) error {
	if !k.hold(uint64(len(key) + len(content) + varHeld)) {
		return ErrVarsFull
	}
	if k.vars == nil {
		k.vars = make(map[string]*variable)
	}
	k.vars[key] = &variable{append(make([]byte, 0, len(content)), content...)}
	k.varBytes += size
	return nil
}

func (k *Kernel) dropVar(key []byte, v *variable) {
	if v == nil {
		return
	}
	delete(k.vars, string(key))
	k.varBytes -= uint64(len(key) + len(v.value) + varOverhead)
	k.inVars -= uint64(len(key) + cap(v.value) + varHeld)
	k.hold(0)
}

// hold takes so many bytes more for variables, or tells what is held now.
func (k *Kernel) hold(more uint64) bool {
	all := k.holds() + more
	if k.room(all, all) < all {
		return false
	}
	k.inVars += more
	return true
}
