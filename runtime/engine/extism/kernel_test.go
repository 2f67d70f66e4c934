package extism_test

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/engine/extism"
)

// budget grants a kernel so many bytes, and knows how many it has.
type budget struct{ limit, held uint64 }

func (b *budget) room(least, most uint64) uint64 {
	granted := min(most, b.limit)
	if granted < least {
		return 0
	}
	b.held = granted
	return granted
}

func newKernel(t testing.TB, s extism.Settings, limit uint64) (*extism.Kernel, *budget) {
	t.Helper()
	b := &budget{limit: limit}
	return extism.NewKernel(s, b.room), b
}

// put makes a block with this text.
func put(t testing.TB, k *extism.Kernel, text string) uint64 {
	t.Helper()
	at, ok := k.Put([]byte(text))
	if !ok {
		t.Fatalf("no room for %d bytes", len(text))
	}
	return at
}

func TestBlocks(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{}, 1<<20)
	k.Begin([]byte("input"))
	sizes := []uint64{1, 8, 15, 16, 17, 20, 21, 100, 1065, 288, 128, 5000, 65536}
	var at []uint64
	for _, n := range sizes {
		p := k.Alloc(n)
		if p == 0 || k.Length(p) != n {
			t.Fatalf("a block of %d bytes has %d at %d", n, k.Length(p), p)
		}
		for i := range n {
			if k.Load8(p+i) != 0 {
				t.Fatalf("byte %d of a new block of %d is %d", i, n, k.Load8(p+i))
			}
			k.Store8(p+i, byte(n))
		}
		at = append(at, p)
	}
	for i, p := range at {
		if want := bytes.Repeat([]byte{byte(sizes[i])}, int(sizes[i])); !bytes.Equal(k.Block(p), want) {
			t.Errorf("another block wrote over the one of %d bytes", sizes[i])
		}
	}
	if got := string(k.Block(func() uint64 { at, _ := k.Input(); return at }())); got != "input" {
		t.Errorf("the input became %q", got)
	}
	for _, p := range []uint64{0, 1, at[3] + 1, at[3] - 1, 1 << 32, 1<<32 | at[3], math.MaxUint64} {
		if k.Length(p) != 0 {
			t.Errorf("there is a block at %d", p)
		}
		k.Free(p)
	}
	if k.Alloc(0) != 0 {
		t.Error("a block of nothing has an offset")
	}
}

func TestFreedBlocksAreUsedAgain(t *testing.T) {
	k, b := newKernel(t, extism.Settings{}, 1<<20)
	k.Begin(nil)
	for i := range uint64(100_000) {
		p := k.Alloc(100 + i%8)
		if p == 0 || k.Length(p) != 100+i%8 {
			t.Fatalf("block %d has %d bytes", i, k.Length(p))
		}
		k.Free(p)
		if k.Length(p) != 0 {
			t.Fatal("a block that was freed has a length")
		}
		k.Free(p) // twice is once
	}
	if b.held > 16<<10 {
		t.Errorf("the kernel holds %d bytes", b.held)
	}
	first, second := k.Alloc(100), k.Alloc(100)
	if first == second {
		t.Error("a block that was freed twice was handed out twice")
	}
}

func TestEachCallStartsAfresh(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{}, 1<<20)
	k.Begin([]byte("first"))
	p := put(t, k, strings.Repeat("x", 1000))
	k.SetOutput(p, 1000)
	k.SetError(p)
	k.Begin([]byte("second one"))
	if at, n := k.Input(); string(k.Block(at)) != "second one" || n != 10 {
		t.Errorf("the input is %q, %d", k.Block(at), n)
	}
	if len(k.Output()) != 0 || k.Error() != 0 || k.Length(p) != 0 {
		t.Error("something is left of the first call")
	}
	if q := k.Alloc(2000); bytes.ContainsFunc(k.Block(q), func(r rune) bool { return r != 0 }) {
		t.Error("a new block shows what the last call left")
	}
}

func TestNothingOutsideIsReached(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{}, 1<<20)
	k.Begin([]byte("01234567abc"))
	end, n := k.Input()
	for k.Load8(end) != 0 || end < n {
		end++
	}
	for _, p := range []uint64{0, 1, 63, 1 << 20, 1 << 32, 1<<32 | 70, math.MaxUint64, math.MaxUint64 - 7} {
		k.Store8(p, 1)
		k.Store64(p, math.MaxUint64)
		if k.Load8(p) != 0 || k.Load64(p) != 0 {
			t.Errorf("there is something at %d", p)
		}
		k.SetOutput(p, 1)
		k.SetOutput(p, 0)
		k.SetInput(p, 1)
		k.SetError(p)
	}
	k.SetOutput(70, math.MaxUint64)
	k.SetInput(70, math.MaxUint64-60)
	if at, n := k.OutputRange(); at != 0 || n != 0 || len(k.Output()) != 0 {
		t.Errorf("the output is %d bytes at %d", n, at)
	}
	if _, n := k.Input(); n != 11 || k.Error() != 0 {
		t.Errorf("the input has %d bytes, the error is at %d", n, k.Error())
	}
	if got := k.InputLoad64(3); got != 0x6362613736353433 {
		t.Errorf("the end of the input is %x", got)
	}
	for _, i := range []uint64{4, 11, 1 << 32, math.MaxUint64} {
		if k.InputLoad64(i) != 0 || i > 10 && k.InputLoad8(i) != 0 {
			t.Errorf("there is input at %d", i)
		}
	}
}

func TestErrorIsABlock(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{}, 1<<20)
	k.Begin(nil)
	p := put(t, k, "out of paper")
	k.SetError(p)
	if string(k.ErrorText()) != "out of paper" || k.Error() != p {
		t.Errorf("the error is %q", k.ErrorText())
	}
	k.SetError(0)
	if len(k.ErrorText()) != 0 {
		t.Error("the error is still there")
	}
	k.SetError(p)
	k.Free(p)
	if len(k.ErrorText()) != 0 {
		t.Error("the error outlives its block")
	}
}

func TestFreedInputIsEmpty(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{}, 1<<20)
	k.Begin([]byte("something"))
	at, _ := k.Input()
	k.Free(at)
	if _, n := k.Input(); n != 0 || k.InputLoad8(0) != 0 {
		t.Errorf("%d bytes of input are left", n)
	}
}

func TestKernelStaysInItsRoom(t *testing.T) {
	const limit = 300 << 10
	for _, n := range []uint64{1, 16, 100, 5000, 100 << 10} {
		k, b := newKernel(t, extism.Settings{}, limit)
		k.Begin(nil)
		var had uint64
		for k.Alloc(n) != 0 {
			had += n
		}
		if b.held > limit {
			t.Errorf("blocks of %d: it holds %d bytes", n, b.held)
		}
		if n >= 100 && had < limit/2 {
			t.Errorf("blocks of %d: only %d bytes came of %d", n, had, limit)
		}
		if k.Alloc(math.MaxUint64) != 0 || k.Alloc(1<<31+1) != 0 || k.Alloc(1<<32|16) != 0 {
			t.Error("a block is larger than the room")
		}
		if k.Begin(make([]byte, limit)) {
			t.Error("an input is larger than the room")
		}
		if !k.Begin([]byte("small")) || k.Alloc(n) == 0 {
			t.Error("the next call finds no room")
		}
	}
}

func TestRoomIsGivenBack(t *testing.T) {
	k, b := newKernel(t, extism.Settings{}, 64<<20)
	big := make([]byte, 8<<20)
	k.Begin(big)
	for range 1000 {
		k.Begin([]byte("small"))
	}
	if b.held > 16<<10 {
		t.Errorf("%d bytes are kept of a big call", b.held)
	}
	if allocs := testing.AllocsPerRun(300, func() { k.Begin(big) }); allocs > 0 {
		t.Errorf("%v allocations for each big call", allocs)
	}
}

func TestConfig(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{Config: map[string]string{"thing": "gear", "empty": ""}}, 1<<20)
	k.Begin(nil)
	name := put(t, k, "thing")
	at, err := k.Config(name)
	if err != nil || string(k.Block(at)) != "gear" {
		t.Errorf("thing is %q, %v", k.Block(at), err)
	}
	if string(k.Block(name)) != "thing" {
		t.Error("the name is gone")
	}
	for _, missing := range []string{"empty", "other"} {
		if at, err := k.Config(put(t, k, missing)); at != 0 || err != nil {
			t.Errorf("%s is at %d, %v", missing, at, err)
		}
	}
}

func TestVars(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{MaxVars: 200}, 1<<20)
	set := func(name, value string) error {
		v := put(t, k, value)
		n := put(t, k, name)
		defer func() {
			if k.Length(n) != 0 || v != 0 && k.Length(v) != 0 {
				t.Error("name or value was not freed")
			}
		}()
		return k.SetVar(n, v)
	}
	get := func(name string) string {
		n := put(t, k, name)
		at, err := k.Var(n)
		if err != nil {
			t.Fatal(err)
		}
		if k.Length(n) != 0 && n != at {
			t.Error("the name was not freed")
		}
		return string(k.Block(at))
	}
	k.Begin(nil)
	if err := set("a", "one"); err != nil {
		t.Fatal(err)
	}
	k.Begin(nil)
	if got := get("a"); got != "one" {
		t.Errorf("a is %q in the next call", got)
	}
	if err := errors.Join(set("a", "a longer value"), set("a", "short")); err != nil || get("a") != "short" {
		t.Errorf("a is %q, %v", get("a"), err)
	}
	// 46 bytes are counted, and with b of 40+1+n bytes it must stay below 200.
	if err := set("b", strings.Repeat("x", 113)); !errors.Is(err, extism.ErrVarsFull) {
		t.Errorf("200 bytes of 200 give %v", err)
	}
	if err := set("b", strings.Repeat("x", 112)); err != nil {
		t.Error(err)
	}
	if err := set("a", "short"); !errors.Is(err, extism.ErrVarsFull) {
		t.Errorf("a value that is written again is not counted twice: %v", err)
	}
	if err := errors.Join(set("b", ""), set("b", ""), set("a", "again")); err != nil || get("b") != "" {
		t.Errorf("b is %q after it was deleted, %v", get("b"), err)
	}
	off, _ := newKernel(t, extism.Settings{MaxVars: -1}, 1<<20)
	off.Begin(nil)
	if err := off.SetVar(put(t, off, "a"), 0); !errors.Is(err, extism.ErrVarsDisabled) {
		t.Errorf("vars that are off give %v", err)
	}
}

func TestVarsAreHeldAgainstTheRoom(t *testing.T) {
	k, b := newKernel(t, extism.Settings{MaxVars: 1 << 30}, 1<<20)
	var err error
	count := 0
	for ; err == nil && count < 100_000; count++ {
		k.Begin(nil)
		err = k.SetVar(put(t, k, "name"+strconv.Itoa(count)), put(t, k, "value"))
	}
	if !errors.Is(err, extism.ErrVarsFull) || b.held > 1<<20 || count < 1000 {
		t.Errorf("%d variables, %d bytes held, %v", count, b.held, err)
	}
	for i := range count {
		k.Begin(nil)
		if err := k.SetVar(put(t, k, "name"+strconv.Itoa(i)), 0); err != nil {
			t.Fatal(err)
		}
	}
	if b.held > 32<<10 {
		t.Errorf("%d bytes are held for no variables", b.held)
	}
}

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		level  extism.Level
		number int32
		takes  string
	}{
		{extism.LevelDefault, 2, "iwe"},
		{extism.LevelTrace, 0, "tdiwe"},
		{extism.LevelDebug, 1, "diwe"},
		{extism.LevelInfo, 2, "iwe"},
		{extism.LevelWarn, 3, "we"},
		{extism.LevelError, 4, "e"},
		{extism.LevelOff, math.MaxInt32, ""},
	} {
		k, _ := newKernel(t, extism.Settings{LogLevel: tt.level}, 1<<20)
		takes := ""
		for i, name := range "tdiwe" {
			if k.Takes(extism.LevelTrace + extism.Level(i)) {
				takes += string(name)
			}
		}
		if k.LogLevel() != tt.number || takes != tt.takes {
			t.Errorf("level %d: number %d, takes %s", tt.level, k.LogLevel(), takes)
		}
	}
}

// A call of a usual guest costs no allocation.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	k, _ := newKernel(t, extism.Settings{Config: map[string]string{"unit": "bar"}}, 1<<20)
	in := bytes.Repeat([]byte("reading "), 30)
	name, value := []byte("count"), []byte("12345678")
	call := func() {
		k.Begin(in)
		n, _ := k.Put(name)
		unit, _ := k.Config(n)
		v, _ := k.Put(value)
		if err := k.SetVar(n, v); err != nil {
			t.Fatal(err)
		}
		n, _ = k.Put(name)
		at, _ := k.Var(n)
		k.SetOutput(at, k.Length(at))
		k.Free(unit)
	}
	if allocs := testing.AllocsPerRun(1000, call); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
