package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// BenchmarkGoals measures what the engine has to reach, and prints it as one
// table. A ratio is the median of rounds in which the sides took turns; a time
// is in ns a record. A machine that does other things shows as noise: run it
// again when it is quiet. "Fuel" is the engine
// with all that it does around a call; "plain" is wazero with nothing around
// it, and "cocd" wazero with its own way to end a call,
// WithCloseOnContextDone. Native is Go without a wall.
func BenchmarkGoals(b *testing.B) {
	var rows []goal
	rows = append(rows, batchGoals(b, "C", "cframe", 2.5)...)
	rows = append(rows, batchGoals(b, "Go", "textframe", 10)...)
	rows = append(rows, rawFigures(b)...)
	rows = append(rows, spinGoals(b)...)
	rows = append(rows, extismGoals(b)...)
	rows = append(rows, allocationGoals(b)...)
	rows = append(rows, meterGoals(b)...)
	rows = append(rows, startGoals(b)...)
	const abuse = "make abuse"
	rows = append(rows,
		elsewhere("deadline overrun, p95 of 100 kills", "≤ 10 ms", abuse),
		elsewhere("bystander's p99 among 4 hostile guests", "≤ quiet × 1.2 + 5 ms", abuse),
		elsewhere("infinite recursion", "≤ 1 ms, ≤ 1 MB", abuse))
	b.ReportMetric(0, "ns/op")
	fmt.Println()
	printTable(os.Stdout, rows)
}

// batchGoals are those of a converter that is called through the public
// contract: a batch is decoded, its frames are cut, and a batch is encoded.
func batchGoals(b *testing.B, name, module string, bound float64) (rows []goal) {
	b.Helper()
	wasm := built(b, module)
	fuel, bare, cocd := openConverter(b, module), newPlain(b, wasm, false), newPlain(b, wasm, true)
	metered := newMetered(b, wasm)
	for _, p := range []*plain{bare, cocd, metered} {
		in := (&abi.OpenInput{Config: []byte(weather)}).Append(nil)
		if _, err := p.call(abi.EntryOpen, in); err != nil {
			b.Fatal(err)
		}
	}
	for _, n := range []int{1, 64, 256} {
		in, own := frames64(n), &native{}
		each := func(name string, do func() ([]byte, error)) side {
			return side{name, n, func() error {
				out, err := do()
				if err == nil && len(out) < 10*n {
					return errors.New("records are missing")
				}
				return err
			}}
		}
		t := compare(
			b,
			each("native", func() ([]byte, error) { return own.convert(in) }),
			each("fuel", func() ([]byte, error) { return fuel.Call(b.Context(), abi.EntryConvert, in) }),
			each("plain", func() ([]byte, error) { return bare.call(abi.EntryConvert, in) }),
			each("cocd", func() ([]byte, error) { return cocd.call(abi.EntryConvert, in) }),
			each("rewritten", func() ([]byte, error) { return metered.call(abi.EntryConvert, in) }),
		)
		what := fmt.Sprintf("%s guest, batch %d: ", name, n)
		beside := t.absolute("fuel", "native")
		if n == 64 {
			rows = append(rows, atMost(what+"fuel / native", bound, " ×", t.ratio("fuel", "native"), beside))
		} else {
			rows = append(rows, figure(what+"fuel / native", t.ratio("fuel", "native"), " ×", beside))
		}
		beside = t.absolute("plain", "cocd")
		if n == 1 {
			rows = append(rows, figure(what+"fuel / plain", t.ratio("fuel", "plain"), " ×", beside))
		} else {
			rows = append(rows, atMost(what+"fuel / plain", 1.1, " ×", t.ratio("fuel", "plain"), beside))
		}
		rows = append(rows, figure(what+"rewritten code alone / plain", t.ratio("rewritten", "plain"), " ×", t.absolute("rewritten")))
		if name == "Go" {
			rows = append(rows, atLeast(what+"cocd / fuel", 4, " ×", t.ratio("cocd", "fuel"), ""))
		} else {
			rows = append(rows, figure(what+"cocd / fuel", t.ratio("cocd", "fuel"), " ×", ""))
		}
	}
	return rows
}

// native is the converter's work in Go without a wall.
type native struct {
	in  abi.Batch
	out abi.Outcome
	buf []byte
}

func (n *native) convert(src []byte) ([]byte, error) {
	if err := n.in.Decode(src); err != nil {
		return nil, err
	}
	records := n.out.Batch.Records
	if len(records) < len(n.in.Records) {
		records = make([]abi.Record, len(n.in.Records))
	}
	records = records[:len(n.in.Records)]
	for i := range n.in.Records {
		r := &n.in.Records[i]
		points := append(records[i].Points[:0],
			abi.Point{Name: "temperature", Unit: "Cel"}, abi.Point{Name: "humidity", Unit: "%"}, abi.Point{Name: "battery", Unit: "%"})
		for f := range points {
			if len(r.Payload) < 2*f+2 {
				return nil, errors.New("a frame is too short")
			}
			tens, ones := r.Payload[2*f]-'0', r.Payload[2*f+1]-'0'
			if max(tens, ones) > 9 {
				return nil, errors.New("a frame has no digits")
			}
			points[f].Value = abi.Int(int64(tens)*10 + int64(ones))
		}
		records[i] = abi.Record{Device: r.Device, Time: r.Time, Points: points}
	}
	n.out.Batch.Records = records
	n.buf = n.out.Append(n.buf[:0])
	return n.buf, nil
}

// Both sides give the same bytes, or the comparison would mean nothing.
func TestNativeDoesTheGuestsWork(t *testing.T) {
	guest, own := openConverter(t, "textframe"), &native{}
	for _, n := range []int{256, 1, 64} {
		got, err := guest.Call(t.Context(), abi.EntryConvert, frames64(n))
		if err != nil {
			t.Fatal(err)
		}
		want, err := own.convert(frames64(n))
		if err != nil || string(got) != string(want) {
			t.Errorf("%d records: the guest gives\n%x\nand native Go\n%x, %v", n, got, want, err)
		}
	}
}

// rawFigures are of the bare job: frames to JSON texts, with no more around
// them than their lengths.
func rawFigures(b *testing.B) (rows []goal) {
	b.Helper()
	for _, guest := range []struct{ name, module string }{{"C", "craw"}, {"Go", "goraw"}} {
		wasm := built(b, guest.module)
		fuel, bare := instance(b, wasm), newPlain(b, wasm, false)
		for _, n := range []int{1, 64, 256} {
			in, buf := rawFrames(n), []byte(nil)
			t := compare(
				b,
				side{"native", n, func() error { buf = nativeRaw(buf[:0], in); return nil }},
				side{"fuel", n, func() error { _, err := fuel.Call(b.Context(), "raw", in); return err }},
				side{"plain", n, func() error { _, err := bare.call("raw", in); return err }},
			)
			what := fmt.Sprintf("%s guest, raw bytes, batch %d: ", guest.name, n)
			rows = append(rows,
				figure(what+"fuel / native", t.ratio("fuel", "native"), " ×", t.absolute("fuel", "native")),
				figure(what+"fuel / plain", t.ratio("fuel", "plain"), " ×", t.absolute("plain")))
		}
	}
	return rows
}

// nativeRaw is what goraw does.
func nativeRaw(dst, src []byte) []byte {
	n := binary.LittleEndian.Uint32(src)
	dst = binary.LittleEndian.AppendUint32(dst, n)
	src = src[4:]
	digits := func(b []byte) int64 { return int64(b[0]-'0')*10 + int64(b[1]-'0') }
	for range n {
		size := binary.LittleEndian.Uint32(src)
		frame, mark := src[4:4+size], len(dst)
		dst = strconv.AppendInt(append(append(dst, 0, 0, 0, 0), `{"temperature":`...), digits(frame), 10)
		dst = strconv.AppendInt(append(dst, `,"humidity":`...), digits(frame[2:]), 10)
		dst = append(strconv.AppendInt(append(dst, `,"battery":`...), digits(frame[4:]), 10), '}')
		binary.LittleEndian.PutUint32(dst[mark:], uint32(len(dst)-mark-4))
		src = src[4+size:]
	}
	return dst
}

// instance is a guest on the engine that needs no opening.
func instance(b *testing.B, wasm []byte) *engine.Instance {
	b.Helper()
	e := newGoEngine(b, filepath.Join(scratch, "cache"))
	return instantiate(b, e, compile(b, e, wasm), engine.InstanceConfig{
		Link: goLink(), Host: quiet{}, CallTimeout: time.Minute,
	})
}

// spinGoals are of bare loops, in which fuel weighs most.
func spinGoals(b *testing.B) (rows []goal) {
	b.Helper()
	const loops = 1_000_000
	in := binary.LittleEndian.AppendUint64(nil, loops)
	for _, guest := range []struct{ name, module string }{{"C", "craw"}, {"Go", "goraw"}} {
		wasm := built(b, guest.module)
		fuel, bare, cocd := instance(b, wasm), newPlain(b, wasm, false), newPlain(b, wasm, true)
		t := compare(
			b,
			side{"fuel", loops, func() error { _, err := fuel.Call(b.Context(), "spin", in); return err }},
			side{"plain", loops, func() error { _, err := bare.call("spin", in); return err }},
			side{"cocd", loops, func() error { _, err := cocd.call("spin", in); return err }},
		)
		rows = append(rows,
			atMost(guest.name+" guest, bare loop: fuel / plain", 1.25, " ×", t.ratio("fuel", "plain"), t.absolute("fuel", "plain")),
			figure(guest.name+" guest, bare loop: cocd / fuel", t.ratio("cocd", "fuel"), " ×", t.absolute("cocd")))
	}
	return rows
}

// extismGoals are of plugins that know nothing of us, a frame a call, against
// Extism's own host. With its timeout off that is at its fastest: a timeout
// makes it slower still.
func extismGoals(b *testing.B) (rows []goal) {
	b.Helper()
	frame := []byte("422498\n")
	for _, guest := range []struct{ name, module string }{{"C", "cextism"}, {"Go PDK", "goextism"}} {
		wasm := built(b, guest.module)
		fuel := instance(b, wasm)
		theirs, err := extism.NewPlugin(b.Context(), extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: wasm}}},
			extism.PluginConfig{EnableWasi: true}, nil)
		if err != nil {
			b.Fatal(err)
		}
		ours := side{"fuel", 1, func() error {
			out, err := fuel.Call(b.Context(), "convert", frame)
			return frameError(out, err)
		}}
		t := compare(b, ours, side{"go-sdk", 1, func() error {
			_, out, err := theirs.Call("convert", frame)
			return frameError(out, err)
		}})
		rows = append(rows, atLeast(guest.name+" plugin, a record a call: go-sdk / fuel", 25, " ×",
			t.ratio("go-sdk", "fuel"), t.absolute("fuel", "go-sdk")))
		if err := theirs.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return rows
}

func frameError(out []byte, err error) error {
	if err == nil && string(out) != `{"temperature":42,"humidity":24,"battery":98}` {
		err = fmt.Errorf("the frame became %q", out)
	}
	return err
}

// allocationGoals count what a call allocates on the host.
func allocationGoals(b *testing.B) (rows []goal) {
	b.Helper()
	for _, module := range []string{"cframe", "textframe"} {
		guest := openConverter(b, module)
		for _, n := range []int{1, 64} {
			in := frames64(n)
			var all []float64
			for range few {
				all = append(all, testing.AllocsPerRun(200, func() {
					if _, err := guest.Call(b.Context(), abi.EntryConvert, in); err != nil {
						b.Fatal(err)
					}
				}))
			}
			rows = append(rows, atMost(fmt.Sprintf("%s, batch %d: allocations a call", module, n), 0, "", spreadOf(all), ""))
		}
	}
	return rows
}

// meterGoals are of the rewriting of a standard Go module.
func meterGoals(b *testing.B) []goal {
	b.Helper()
	wasm := built(b, "textframe")
	metered, err := wasmbin.Meter(wasm)
	if err != nil {
		b.Fatal(err)
	}
	var took []float64
	for range few {
		began := time.Now()
		if _, err := wasmbin.Meter(wasm); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began).Seconds()*1e3)
	}
	grown := 100 * (float64(len(metered))/float64(len(wasm)) - 1)
	var before, after, longer []float64
	for range few {
		x, y := compileTime(b, wasm), compileTime(b, metered)
		before, after, longer = append(before, x), append(after, y), append(longer, y/x)
	}
	size := fmt.Sprintf("%d bytes, then %d", len(wasm), len(metered))
	return []goal{
		atMost("rewriting a Go module", 100, " ms", spreadOf(took), fmt.Sprintf("%.2f MB", float64(len(wasm))/1e6)),
		atMost("its size", 5, " %", spread{grown, grown, grown}, size),
		atMost("its compilation: rewritten / plain", 1.15, " ×", spreadOf(longer), fmt.Sprintf("plain %v, rewritten %v ms", spreadOf(before), spreadOf(after))),
	}
}

// startGoals are of a server that starts again: engine, module from the cache,
// instance, first call.
func startGoals(b *testing.B) []goal {
	b.Helper()
	wasm := built(b, "textframe")
	dir := filepath.Join(b.TempDir(), "cache")
	start := func() [3]float64 {
		began := time.Now()
		e, err := engine.New(b.Context(), engine.Config{CacheDir: dir, Groups: goGroups()})
		if err != nil {
			b.Fatal(err)
		}
		up := time.Since(began)
		m, err := e.Compile(b.Context(), wasm)
		if err != nil {
			b.Fatal(err)
		}
		compiled := time.Since(began)
		i, err := e.Instantiate(b.Context(), m, engine.InstanceConfig{Link: goLink(), Host: quiet{}, CallTimeout: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		open(b, i, weather)
		all := time.Since(began)
		if err := e.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		return [3]float64{all.Seconds() * 1e3, (compiled - up).Seconds() * 1e3, (all - compiled).Seconds() * 1e3}
	}
	first := start()
	var all, code, instance []float64
	for range few {
		t := start()
		all, code, instance = append(all, t[0]), append(code, t[1]), append(instance, t[2])
	}
	return []goal{atMost("second start of a Go module", 100, " ms", spreadOf(all),
		fmt.Sprintf("module from the cache %v, instance and open %v, first start %.0f ms", spreadOf(code), spreadOf(instance), first[0]))}
}
