package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// preview1 is WASI as wazero knows it: name, parameters, results.
func preview1(t *testing.T) []w.Import {
	t.Helper()
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(ctx) }()
	b := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	m, err := b.Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	types := func(list []api.ValueType) string {
		sig := ""
		for _, v := range list {
			sig += map[api.ValueType]string{api.ValueTypeI32: "i", api.ValueTypeI64: "I"}[v]
		}
		return sig
	}
	var all []w.Import
	for name, def := range m.ExportedFunctions() {
		all = append(all, w.Import{
			Module: "wasi_snapshot_preview1", Name: name, Params: types(def.ParamTypes()), Results: types(def.ResultTypes()),
		})
	}
	slices.SortFunc(all, func(a, b w.Import) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// wasiGuest exports each WASI function as an entry point whose input is the
// arguments, 8 bytes each, and whose output is the errno; poke writes the rest
// of its input to the address at its start, and peek answers memory.
func wasiGuest(t *testing.T) []byte {
	t.Helper()
	m := w.Module{Imports: preview1(t), Pages: pages}
	for n, f := range m.Imports {
		var args [][]byte
		for k, v := range f.Params {
			load := w.Load32(uint32(8 * k))
			if v == 'I' {
				load = w.Load64(uint32(8 * k))
			}
			args = append(args, w.Get(0), load)
		}
		body := w.Join(w.Join(args...), w.Call(uint32(n)))
		if f.Results == "" {
			body = w.Join(body, w.I32(0))
		}
		body = w.Join(body, w.Set(2), w.I32(16), w.Get(2), w.Store32(0), w.Packed(w.I32(16), w.I32(4)))
		m.Functions = append(m.Functions, w.Function{Export: f.Name, Params: "ii", Results: "I", Locals: "i", Body: body})
	}
	m.Functions = append(m.Functions,
		w.Function{Export: "snaprail_alloc", Params: "i", Results: "i", Body: w.I32(inputAt)},
		w.Function{Export: "poke", Params: "ii", Results: "I", Body: w.Join(
			w.Get(0), w.Load32(0), w.Get(0), w.I32(4), w.Op(0x6a), w.Get(1), w.I32(4), w.Op(0x6b), w.Copy(), w.I64(0))},
		w.Function{Export: "peek", Params: "ii", Results: "I", Body: w.Packed(
			w.Join(w.Get(0), w.Load32(0)), w.Join(w.Get(0), w.Load32(4)))},
	)
	return m.Bytes()
}

func errnoName(e uint32) string {
	return map[uint32]string{0: "ESUCCESS", 8: "EBADF", 21: "EFAULT", 28: "EINVAL", 52: "ENOSYS"}[e]
}

// play runs a call log: "poke" writes memory, "==>" calls, "<==" and "peek" say
// what must come of it, in hexadecimal. What differs is shown as a log again.
func play(t *testing.T, i *engine.Instance, log string) {
	t.Helper()
	var got []string
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for n, line := range lines {
		lines[n] = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(lines[n], " ")
		switch word {
		case "poke":
			address, data, _ := strings.Cut(rest, " ")
			call(t, i, "poke", append(number(t, address, 16)[:4], unhex(t, data)...))
			got = append(got, lines[n])
		case "peek":
			address, data, _ := strings.Cut(rest, " ")
			size := binary.LittleEndian.AppendUint32(number(t, address, 16)[:4], uint32(len(unhex(t, data))))
			got = append(got, fmt.Sprintf("peek %s % x", address, call(t, i, "peek", size)))
		case "==>":
			name, args, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
			var in []byte
			for arg := range strings.SplitSeq(args, ",") {
				if _, v, ok := strings.Cut(arg, "="); ok {
					in = append(in, number(t, v, 10)...)
				}
			}
			e := binary.LittleEndian.Uint32(call(t, i, name, in))
			got = append(got, lines[n], "<== errno="+errnoName(e))
		}
	}
	if g, want := strings.Join(got, "\n"), strings.Join(lines, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
}

func call(t *testing.T, i *engine.Instance, entry string, in []byte) []byte {
	t.Helper()
	out, err := i.Call(t.Context(), entry, in)
	if err != nil {
		t.Fatalf("%s: %v", entry, err)
	}
	return bytes.Clone(out)
}

func number(t *testing.T, text string, base int) []byte {
	t.Helper()
	v, err := strconv.ParseUint(text, base, 64)
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.AppendUint64(nil, v)
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	if quoted, err := strconv.Unquote(text); err == nil {
		return []byte(quoted)
	}
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wasi runs a test with a fresh guest, at midnight of 2000-01-01 UTC (ns
// 0d23 4ccf 5243 0000) and in time that passes only when everybody waits.
func wasi(t *testing.T, test func(t *testing.T, i *engine.Instance, h *host)) {
	t.Helper()
	wasm := wasiGuest(t)
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		e := newEngine(t)
		test(t, instantiate(t, e, compile(t, e, wasm), engine.InstanceConfig{Host: h}), h)
	})
}

func TestWASICalls(t *testing.T) {
	for name, log := range map[string]string{
		"no arguments and no environment": `
			poke 100 ff ff ff ff ff ff ff ff
			==> args_sizes_get(result.argc=256,result.argv_len=260)
			<== errno=ESUCCESS
			peek 100 00 00 00 00 00 00 00 00
			==> args_get(argv=0,argv_buf=0)
			<== errno=ESUCCESS
			poke 100 ff ff ff ff ff ff ff ff
			==> environ_sizes_get(result.environc=256,result.environv_len=260)
			<== errno=ESUCCESS
			peek 100 00 00 00 00 00 00 00 00
			==> environ_get(environ=0,environ_buf=0)
			<== errno=ESUCCESS
			==> args_sizes_get(result.argc=4294967295,result.argv_len=0)
			<== errno=EFAULT
			==> environ_sizes_get(result.environc=0,result.environv_len=2621437)
			<== errno=EFAULT`,
		"clocks stand still but for a step a read": `
			==> clock_res_get(id=0,result.resolution=256)
			<== errno=ESUCCESS
			peek 100 64 00 00 00 00 00 00 00
			==> clock_res_get(id=2,result.resolution=256)
			<== errno=EINVAL
			==> clock_time_get(id=1,precision=0,result.timestamp=256)
			<== errno=ESUCCESS
			peek 100 64 00 00 00 00 00 00 00
			==> clock_time_get(id=1,precision=0,result.timestamp=256)
			<== errno=ESUCCESS
			peek 100 c8 00 00 00 00 00 00 00
			==> clock_time_get(id=0,precision=0,result.timestamp=256)
			<== errno=ESUCCESS
			peek 100 2c 01 43 52 cf 4c 23 0d
			==> clock_time_get(id=2,precision=0,result.timestamp=256)
			<== errno=EINVAL
			==> clock_time_get(id=0,precision=0,result.timestamp=2621433)
			<== errno=EFAULT`,
		"random": `
			==> random_get(buf=256,buf_len=5)
			<== errno=ESUCCESS
			==> random_get(buf=0,buf_len=0)
			<== errno=ESUCCESS
			==> random_get(buf=2621439,buf_len=2)
			<== errno=EFAULT
			==> random_get(buf=4294967295,buf_len=4294967295)
			<== errno=EFAULT`,
		"yield": `
			==> sched_yield()
			<== errno=ESUCCESS`,
		"output": `
			poke 100 00 02 00 00 06 00 00 00 08 02 00 00 04 00 00 00
			poke 200 "hello "
			poke 208 "you\n"
			==> fd_write(fd=1,iovs=256,iovs_len=2,result.size=768)
			<== errno=ESUCCESS
			peek 300 0a 00 00 00
			==> fd_write(fd=0,iovs=256,iovs_len=2,result.size=768)
			<== errno=EBADF
			==> fd_write(fd=3,iovs=256,iovs_len=2,result.size=768)
			<== errno=EBADF
			==> fd_write(fd=2,iovs=256,iovs_len=1025,result.size=768)
			<== errno=EINVAL
			==> fd_write(fd=2,iovs=2621439,iovs_len=1,result.size=768)
			<== errno=EFAULT
			==> fd_write(fd=2,iovs=256,iovs_len=2,result.size=4294967295)
			<== errno=EFAULT
			poke 100 ff ff ff ff 06 00 00 00
			==> fd_write(fd=2,iovs=256,iovs_len=1,result.size=768)
			<== errno=EFAULT`,
		"one call takes 64 KiB at most": `
			poke 100 00 00 00 00 00 00 01 00 00 00 00 00 02 00 00 00
			==> fd_write(fd=1,iovs=256,iovs_len=2,result.size=768)
			<== errno=ESUCCESS
			peek 300 00 00 01 00
			poke 100 00 00 00 00 ff ff 00 00
			==> fd_write(fd=1,iovs=256,iovs_len=2,result.size=768)
			<== errno=ESUCCESS
			peek 300 00 00 01 00`,
		"descriptors and sockets": `
			==> fd_read(fd=0,iovs=0,iovs_len=0,result.size=0)
			<== errno=EBADF
			==> fd_prestat_get(fd=3,result.prestat=0)
			<== errno=EBADF
			==> path_open(fd=3,dirflags=0,path=0,path_len=0,oflags=0,rights=0,inheriting=0,fdflags=0,result.fd=0)
			<== errno=EBADF
			==> sock_accept(fd=3,flags=0,result.fd=0)
			<== errno=ENOSYS
			==> proc_raise(sig=9)
			<== errno=ENOSYS`,
	} {
		t.Run(name, func(t *testing.T) {
			wasi(t, func(t *testing.T, i *engine.Instance, _ *host) {
				t.Helper()
				play(t, i, log)
			})
		})
	}
}

// poll_oneoff with subscriptions: user data, kind, then what the kind needs.
func TestWASIPoll(t *testing.T) {
	const (
		tenMS   = "01 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  80 96 98 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
		hour    = "02 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  00 a0 b8 30 46 03 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
		at20MS  = "03 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  00 2d 31 01 00 00 00 00  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00"
		noClock = "04 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  07 00 00 00 00 00 00 00  00 2d 31 01 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
		stdin   = "05 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
		stdout  = "06 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
		nothing = "07 00 00 00 00 00 00 00  09 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
	)
	for _, c := range []struct {
		name string
		subs []string
		took time.Duration
		want string // errno, or user data and errno of each event
	}{
		{"sleep", []string{tenMS}, 10 * time.Millisecond, "1:ESUCCESS"},
		{"the first ends it", []string{hour, tenMS}, 10 * time.Millisecond, "1:ESUCCESS"},
		{"at the same time", []string{tenMS, hour, tenMS}, 10 * time.Millisecond, "1:ESUCCESS 1:ESUCCESS"},
		{"absolute", []string{at20MS}, 20 * time.Millisecond, "3:ESUCCESS"},
		{"descriptors are answered at once", []string{tenMS, stdin, stdout}, 0, "5:EBADF 6:ESUCCESS"},
		{"no such clock", []string{tenMS, noClock}, 0, "4:EINVAL"},
		{"no such subscription", []string{tenMS, nothing}, 0, "EINVAL"},
		{"none", nil, 0, "EINVAL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wasi(t, func(t *testing.T, i *engine.Instance, _ *host) {
				t.Helper()
				in := binary.LittleEndian.AppendUint32(nil, 0x1000)
				for _, s := range c.subs {
					in = append(in, unhex(t, s)...)
				}
				call(t, i, "poke", in)
				begin := time.Now()
				var args []byte
				for _, v := range []uint64{0x1000, 0x2000, uint64(len(c.subs)), 0x3000} {
					args = binary.LittleEndian.AppendUint64(args, v)
				}
				got := errnoName(binary.LittleEndian.Uint32(call(t, i, "poll_oneoff", args)))
				if took := time.Since(begin); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if got == "ESUCCESS" {
					got = events(t, i)
				}
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

func events(t *testing.T, i *engine.Instance) string {
	t.Helper()
	peek := func(at, n uint32) []byte {
		return call(t, i, "peek", binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, at), n))
	}
	var all []string
	for k := range binary.LittleEndian.Uint32(peek(0x3000, 4)) {
		e := peek(0x2000+32*k, 32)
		all = append(all, fmt.Sprintf("%d:%s", binary.LittleEndian.Uint64(e), errnoName(uint32(binary.LittleEndian.Uint16(e[8:])))))
	}
	return strings.Join(all, " ")
}

// The clocks follow the host's at entry points and sleeps.
func TestWASIClocksMoveBetweenCalls(t *testing.T) {
	wasi(t, func(t *testing.T, i *engine.Instance, _ *host) {
		t.Helper()
		<-time.After(10 * time.Millisecond)
		play(t, i, `
			==> clock_time_get(id=1,precision=0,result.timestamp=256)
			<== errno=ESUCCESS
			peek 100 e4 96 98 00 00 00 00 00`)
		<-time.After(10 * time.Millisecond) // the step is caught up with
		play(t, i, `
			==> clock_time_get(id=1,precision=0,result.timestamp=256)
			<== errno=ESUCCESS
			peek 100 64 2d 31 01 00 00 00 00`)
	})
}

func TestWASISleepEndsWithTheCall(t *testing.T) {
	wasm := wasiGuest(t)
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		i := instantiate(t, e, compile(t, e, wasm), engine.InstanceConfig{CallTimeout: time.Second})
		in := binary.LittleEndian.AppendUint32(nil, 0x1000)
		sub := make([]byte, 48)
		binary.LittleEndian.PutUint64(sub[24:], 1<<63) // beyond all time
		call(t, i, "poke", append(in, sub...))
		var args []byte
		for _, v := range []uint64{0x1000, 0x2000, 1, 0x3000} {
			args = binary.LittleEndian.AppendUint64(args, v)
		}
		begin := time.Now()
		_, err := i.Call(t.Context(), "poll_oneoff", args)
		wantFault(t, err, fault.GuestDeadline)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestWASIExit(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, wasiGuest(t))
	for _, code := range []uint64{0, 3, 0xefffffff} { // the last is how wazero marks a deadline
		i := instantiate(t, e, m, engine.InstanceConfig{})
		_, err := i.Call(t.Context(), "proc_exit", binary.LittleEndian.AppendUint64(nil, code))
		wantFault(t, err, fault.GuestTrap, fmt.Sprintf("proc_exit exited with code %d", code))
		if i.State() != engine.Dead {
			t.Error("it lives")
		}
	}
}

// TestWASIIsComplete calls every function of preview 1 with arguments of 0.
func TestWASIIsComplete(t *testing.T) {
	names := preview1(t)
	if len(names) != 46 {
		t.Errorf("wazero knows %d functions", len(names))
	}
	wasi(t, func(t *testing.T, i *engine.Instance, _ *host) {
		t.Helper()
		for _, f := range names {
			if f.Name == "proc_exit" {
				continue
			}
			e := binary.LittleEndian.Uint32(call(t, i, f.Name, make([]byte, 72)))
			want := "ESUCCESS"
			switch {
			case strings.HasPrefix(f.Name, "sock_"), f.Name == "proc_raise":
				want = "ENOSYS"
			case strings.HasPrefix(f.Name, "fd_"), strings.HasPrefix(f.Name, "path_"):
				want = "EBADF"
			case f.Name == "poll_oneoff":
				want = "EINVAL"
			}
			if got := errnoName(e); got != want {
				t.Errorf("%s answers %s (%d), want %s", f.Name, got, e, want)
			}
		}
	})
}

func TestWASIOutputIsCutIntoLines(t *testing.T) {
	wasi(t, func(t *testing.T, i *engine.Instance, h *host) {
		t.Helper()
		write := func(fd uint64, text string) {
			in := binary.LittleEndian.AppendUint32(nil, 0x8000)
			in = binary.LittleEndian.AppendUint32(in, 0x8008)
			in = binary.LittleEndian.AppendUint32(in, uint32(len(text)))
			call(t, i, "poke", append(in, text...))
			var args []byte
			for _, v := range []uint64{fd, 0x8000, 1, 0x7000} {
				args = binary.LittleEndian.AppendUint64(args, v)
			}
			call(t, i, "fd_write", args)
		}
		write(1, "one\ntwo\n\nthr")
		write(2, "error")
		write(1, "ee\n")
		write(1, strings.Repeat("x", 5000))
		write(1, strings.Repeat("x", 5000))
		write(1, strings.Repeat("x", 5000)+"\nafter\nunfinished")
		if err := i.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := []string{"1 one", "1 two", "1 ", "1 three", "1 " + strings.Repeat("x", 8192), "1 after", "1 unfinished", "2 error"}
		if got := h.output(); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// A line costs what a host call does, however many there are in a write.
func TestLinesOfOutputCostFuel(t *testing.T) {
	wasi(t, func(t *testing.T, i *engine.Instance, _ *host) {
		t.Helper()
		in := binary.LittleEndian.AppendUint32(nil, 0x8000)
		in = binary.LittleEndian.AppendUint32(in, 0x8008)
		in = binary.LittleEndian.AppendUint32(in, 4000)
		call(t, i, "poke", append(in, bytes.Repeat([]byte{'\n'}, 4000)...))
		var args []byte
		for _, v := range []uint64{1, 0x8000, 1, 0x7000} {
			args = binary.LittleEndian.AppendUint64(args, v)
		}
		before := i.Usage().Fuel
		call(t, i, "fd_write", args)
		if used := i.Usage().Fuel - before; used < 4000*1000 {
			t.Errorf("4,000 lines cost %d units", used)
		}
	})
}

func TestWASIRandomDiffersBetweenInstances(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, wasiGuest(t))
	seen := make(map[string]bool)
	for range 4 {
		i := instantiate(t, e, m, engine.InstanceConfig{})
		for range 2 {
			play(t, i, `
				==> random_get(buf=256,buf_len=16)
				<== errno=ESUCCESS`)
			seen[string(call(t, i, "peek", []byte{0, 1, 0, 0, 16, 0, 0, 0}))] = true
		}
	}
	if len(seen) != 8 {
		t.Errorf("8 draws gave %d values", len(seen))
	}
}
