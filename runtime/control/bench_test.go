package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store/badger"
	"github.com/snaprail/snaprail/runtime/supervisor"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// diskNode is a node whose store is on a disk, with connectors that are not
// enabled: what is measured is the control plane and its store.
func diskNode(b testing.TB, dir string, connectors int) (*control.Tenant, []string) {
	b.Helper()
	ctx, log := b.Context(), slog.New(slog.DiscardHandler)
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	disk, err := badger.Open(badger.Config{Dir: filepath.Join(dir, "store"), Key: badger.Key{1}, Reserve: 1})
	must(err)
	keys, err := secret.Open(ctx, disk.System(), secret.KEK{1})
	must(err)
	groups := capability.NewRegistry(clock.New())
	e, err := engine.New(ctx, engine.Config{CacheDir: cacheDir, Groups: groups.Groups(), Log: log})
	must(err)
	cat, err := catalog.New(catalog.Config{Dir: filepath.Join(dir, "modules"), Store: disk, Engine: e, Groups: groups, Log: log})
	must(err)
	super := supervisor.New(context.WithoutCancel(ctx), supervisor.Config{
		Dir: filepath.Join(dir, "outbox"), Store: disk, Catalog: cat, Engine: e, Groups: groups, Secrets: keys, Log: log,
	})
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := errors.Join(super.Stop(ctx), e.Close(ctx), disk.Close()); err != nil {
			b.Error(err)
		}
	})
	service := control.New(control.Config{Store: disk, Catalog: cat, Supervisor: super, Engine: e, Groups: groups, Secrets: keys})
	must(super.AddTenant(ctx, "plant"))
	must(super.Start(ctx))
	t, err := service.Tenant("plant")
	must(err)
	t = t.By(identity.OfServer("plant"))
	ids := make([]string, connectors)
	module := plainModule(b, t)
	var wg sync.WaitGroup
	for part := range 10 {
		wg.Go(func() {
			for i := part; i < connectors; i += 10 {
				v, err := t.CreateConnector(ctx, control.ConnectorInput{
					Name: fmt.Sprintf("connector %d", i), Module: module, Config: benchConfig(i), Default: new(i == 0),
				})
				if err != nil {
					b.Error(err)
					return
				}
				ids[i] = v.ID
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return t, ids
}

func benchConfig(n int) json.RawMessage {
	return fmt.Appendf(nil, `{"host":"device-%d.example.com","port":502,"unit":%d,"interval":"1s","registers":[1,2,3,4,5,6,7,8]}`, n, n)
}

func plainModule(b testing.TB, t *control.Tenant) string {
	b.Helper()
	raw, err := json.Marshal(abi.Manifest{
		Category: "telemetry", ProviderType: "plain", DisplayName: "Plain", Version: "1.0.0",
		ABI: abi.Version{Major: abi.Major}, Kind: abi.KindConnector, Mode: abi.ModeEvent,
		ConfigSchema: json.RawMessage(`{"type":"object","required":["host"],"properties":{"host":{"type":"string"},"port":{"type":"integer"},"password":{"type":"string","writeOnly":true}}}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	entry := func(name string) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: w.I64(0)}
	}
	src := w.Module{
		Pages:     2,
		Functions: []w.Function{{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x10000)}, entry(abi.EntryOpen), entry(abi.EntryOnEvents)},
		Custom:    []w.Custom{{Name: abi.ManifestSection, Body: raw}},
	}.Bytes()
	m, _, err := t.AddModule(b.Context(), bytes.NewReader(src), nil, "")
	if err != nil {
		b.Fatal(err)
	}
	return m.Digest
}

// BenchmarkConfigWrite: fifty callers each change their own connector's
// configuration, over and over, as rows with a secret or as a patch of the flat
// form. The machine's own fdatasync of as many bytes is measured between the
// rounds: promised is a p99 of at most 20 times its. Writers that never pause keep
// the processors busy, and then a sync is slow for anybody: beside measures the
// fdatasync of another process during the rounds.
func BenchmarkConfigWrite(b *testing.B) {
	rows := func(t *control.Tenant, id string, n int) error {
		secret := spec.Param{Key: "password", Type: spec.ParamSecret, Sequence: 30}
		if secret.Value = "geheim"; n > 1 {
			secret.Value, secret.Secret = "", &spec.SecretInfo{Set: true} // it stays
		}
		_, err := t.SetParams(b.Context(), id, []spec.Param{
			{Key: "host", Value: "device.example.com", Sequence: 10}, {Key: "port", Value: fmt.Sprint(n), Sequence: 20}, secret,
		}, 0)
		return err
	}
	patch := func(t *control.Tenant, id string, n int) error {
		_, err := t.PatchConnector(b.Context(), id, fmt.Appendf(nil, `{"config":{"port":%d}}`, n), 0)
		return err
	}
	params := func(t *control.Tenant, id string, n int) error {
		if n == 1 { // the flat form goes
			if _, err := t.PatchConnector(b.Context(), id, []byte(`{"config":null,"params":[{"key":"host","value":"x"}]}`), 0); err != nil {
				return err
			}
		}
		return rows(t, id, n)
	}
	b.Run("params", func(b *testing.B) { configWrites(b, 0, nil, params) })
	b.Run("patch", func(b *testing.B) { configWrites(b, 0, nil, patch) })
	b.Run("beside/params", func(b *testing.B) { configWrites(b, 0, newSampler(b), params) })
	b.Run("beside/patch", func(b *testing.B) { configWrites(b, 0, newSampler(b), patch) })
	b.Run("paced/params", func(b *testing.B) { configWrites(b, 50*time.Millisecond, nil, params) })
	b.Run("paced/patch", func(b *testing.B) { configWrites(b, 50*time.Millisecond, nil, patch) })
}

// configWrites lets each writer write once in every so long; 0: without a pause.
// A sampler measures the disk meanwhile, and not between the rounds.
func configWrites(b *testing.B, every time.Duration, beside *sampler, write func(t *control.Tenant, id string, n int) error) {
	b.Helper()
	const writers, each = 50, 20
	dir := b.TempDir()
	t, ids := diskNode(b, dir, writers)
	var took, synced []time.Duration
	n := 0
	for b.Loop() {
		if beside == nil {
			synced = append(synced, syncs(b, dir, 4<<10, 200)...)
		} else {
			beside.begin(b)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for me := range writers {
			wg.Go(func() {
				mine := make([]time.Duration, 0, each)
				next := time.Now().Add(rand.N(every + 1))
				for i := range each {
					<-time.After(time.Until(next))
					next = next.Add(every)
					began := time.Now()
					if err := write(t, ids[me], 1+n+i); err != nil {
						b.Error(err)
						return
					}
					mine = append(mine, time.Since(began))
				}
				mu.Lock()
				took = append(took, mine...)
				mu.Unlock()
			})
		}
		wg.Wait()
		if beside != nil {
			synced = append(synced, beside.end(b)...)
		}
		n += each
	}
	p99, disk := quantile(took, 0.99), quantile(synced, 0.99)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(quantile(took, 0.5)), "write-p50-ms")
	b.ReportMetric(ms(p99), "write-p99-ms")
	b.ReportMetric(ms(quantile(synced, 0.5)), "fdatasync-p50-ms")
	b.ReportMetric(ms(disk), "fdatasync-p99-ms")
	b.ReportMetric(float64(p99)/float64(disk), "times")
}

// syncs writes and syncs as the store's log does: a bit behind the other of a
// file that has its size.
func syncs(b testing.TB, dir string, size, times int) []time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Truncate(int64(size * times)); err != nil {
		b.Fatal(err)
	}
	took, buf := make([]time.Duration, times), make([]byte, size)
	for i := range took {
		if _, err := f.WriteAt(buf, int64(i*size)); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	return took
}

// sampler is a process of its own that syncs what it writes, over and over, while it
// is told to. In this process it would wait for the scheduler and not for the disk.
type sampler struct {
	ask  *json.Encoder
	told *json.Decoder
}

func newSampler(b *testing.B) *sampler {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SNAPRAIL_TEST_SYNCS="+b.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return &sampler{json.NewEncoder(in), json.NewDecoder(out)}
}

func (s *sampler) begin(b *testing.B) {
	b.Helper()
	if err := s.ask.Encode(true); err != nil {
		b.Fatal(err)
	}
}

// end is how long each sync took since begin.
func (s *sampler) end(b *testing.B) (took []time.Duration) {
	b.Helper()
	err := s.ask.Encode(false)
	if err == nil {
		err = s.told.Decode(&took)
	}
	if err != nil {
		b.Fatal(err)
	}
	return took
}

// sample is the sampler's process. It ends with its standard input.
func sample(dir string) error {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	const size, places = 4 << 10, 4096
	if err := f.Truncate(size * places); err != nil {
		return err
	}
	asked := make(chan bool)
	go func() {
		defer close(asked)
		in := json.NewDecoder(os.Stdin)
		for on := false; in.Decode(&on) == nil; {
			asked <- on
		}
	}()
	out, buf := json.NewEncoder(os.Stdout), make([]byte, size)
	for n := 0; <-asked; {
		took := []time.Duration{}
		for on := true; on; n++ {
			if _, err := f.WriteAt(buf, int64(n%places*size)); err != nil {
				return err
			}
			began := time.Now()
			if err := unix.Fdatasync(int(f.Fd())); err != nil {
				return err
			}
			took = append(took, time.Since(began))
			select {
			case on = <-asked:
			case <-time.After(time.Millisecond):
			}
		}
		if err := out.Encode(took); err != nil {
			return err
		}
	}
	return nil
}

func quantile(list []time.Duration, q float64) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[min(int(q*float64(len(list))), len(list)-1)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// BenchmarkListConnectors lists a thousand of them, as pages of the API are.
func BenchmarkListConnectors(b *testing.B) {
	t, _ := diskNode(b, b.TempDir(), 1000)
	for b.Loop() {
		if n := listed(b, t); n != 1000 {
			b.Fatal(n)
		}
	}
}

func listed(b testing.TB, t *control.Tenant) (n int) {
	b.Helper()
	for p := (control.Page{Limit: 500}); ; {
		list, next, err := t.Connectors(b.Context(), control.ConnectorFilter{}, p)
		if err != nil {
			b.Fatal(err)
		}
		n += len(list)
		if p.After = next; next == "" {
			return n
		}
	}
}
