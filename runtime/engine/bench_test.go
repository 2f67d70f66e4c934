package engine_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
)

func BenchmarkCall(b *testing.B) {
	e := newEngine(b)
	i := instantiate(b, e, compile(b, e, tiny()), engine.InstanceConfig{Link: allLinked(), Host: quiet{}})
	for _, n := range []int{0, 1 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("tiny/%d", n), func(b *testing.B) { callLoop(b, i, "echo", make([]byte, n)) })
	}
	g := newGoEngine(b, "")
	i = instantiate(b, g, compile(b, g, goModule(b)), engine.InstanceConfig{
		Link: goLink(), Host: quiet{}, CallTimeout: time.Minute,
	})
	open(b, i, "{}")
	for _, n := range []int{1 << 10, 1<<20 - 1<<10} {
		b.Run(fmt.Sprintf("go/%d", n), func(b *testing.B) { callLoop(b, i, abi.EntryOnEvents, frames(string(make([]byte, n)))) })
	}
}

func callLoop(b *testing.B, i *engine.Instance, entry string, in []byte) {
	b.Helper()
	ctx := b.Context()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(ctx, entry, in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostCall makes 1,000 host calls in each call.
func BenchmarkHostCall(b *testing.B) {
	const calls = 1000
	e := newEngine(b)
	i := instantiate(b, e, compile(b, e, tiny()), engine.InstanceConfig{
		Link: allLinked(), Host: quiet{}, CallTimeout: time.Minute,
	})
	ctx, in := b.Context(), make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		binary.LittleEndian.PutUint32(in, calls)
		if _, err := i.Call(ctx, "calls", in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*calls), "ns/hostcall")
}

func BenchmarkInstantiate(b *testing.B) {
	e := newEngine(b)
	g := newGoEngine(b, "")
	for _, c := range []struct {
		name   string
		engine *engine.Engine
		module *engine.Module
		link   engine.Link
	}{
		{"tiny", e, compile(b, e, tiny()), allLinked()},
		{"go", g, compile(b, g, goModule(b)), goLink()},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, err := c.engine.Instantiate(b.Context(), c.module, engine.InstanceConfig{
					Link: c.link, Host: quiet{}, CallTimeout: time.Minute,
				})
				if err != nil {
					b.Fatal(err)
				}
				if err := i.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompile compiles in a fresh engine each time.
func BenchmarkCompile(b *testing.B) {
	for _, c := range []struct {
		name string
		wasm []byte
	}{{"tiny", tiny()}, {"go", goModule(b)}} {
		dir := filepath.Join(b.TempDir(), "cache")
		b.Run(c.name+"/cold", func(b *testing.B) { compileLoop(b, "", c.wasm) })
		compileOnce(b, dir, c.wasm)
		b.Run(c.name+"/cached", func(b *testing.B) { compileLoop(b, dir, c.wasm) })
	}
}

// BenchmarkNew starts an engine, without a cache and with one of three Go
// modules, which is verified.
func BenchmarkNew(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "cache")
	for n := range 3 {
		compileOnce(b, dir, distinct(goModule(b), n))
	}
	for name, dir := range map[string]string{"uncached": "", "verified": dir} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				e, err := engine.New(b.Context(), engine.Config{CacheDir: dir, Groups: goGroups()})
				if err != nil {
					b.Fatal(err)
				}
				if err := e.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func compileLoop(b *testing.B, dir string, wasm []byte) {
	b.Helper()
	for b.Loop() {
		compileOnce(b, dir, wasm)
	}
}

func compileOnce(b *testing.B, dir string, wasm []byte) {
	b.Helper()
	e, err := engine.New(b.Context(), engine.Config{CacheDir: dir, Groups: goGroups()})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := e.Compile(b.Context(), wasm); err != nil {
		b.Fatal(err)
	}
	if err := e.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
