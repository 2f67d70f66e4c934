package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	connectorswasm "github.com/snaprail/snaprail/connectors-wasm"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// BenchmarkThroughput measures how fast the connectors that ship are in the server
// as it is wired, each in turns with a plain Go program that does the same with the
// same driver and without a sandbox, and prints the ratios as one table. Both sides
// are in this process and take turns round by round; a ratio is the median of the
// rounds. "Durable" is a plain program that writes to a file and syncs it before it
// goes on, as the outbox does: after 256 records or 5 ms; a "careless" one writes
// and never syncs. The goal is set against the durable one. A machine that does
// other things shows as noise, for the sides wait for other things.
func BenchmarkThroughput(b *testing.B) {
	table := [][]string{{"what", "goal", "median [least..most]", "verdict", "ours, of it"}}
	for _, r := range []struct {
		name string
		race func(*testing.B) race
	}{{"serial", serialRace}, {"opcua", opcuaRace}, {"kafka", kafkaRace}, {"mqtt", mqttRace}} {
		b.Run(r.name, func(b *testing.B) {
			table = append(table, r.race(b).run(b)...)
			b.ReportMetric(0, "ns/op")
		})
	}
	printCells(table)
}

const (
	throughputGoal   = 0.8
	throughputRounds = 7
	leastRound       = 700 * time.Millisecond
)

// runner moves n units and returns when they are where they belong.
type mover struct {
	name string
	move func(n int)
}

// race is ours against others. The first of these has the goal.
type race struct {
	what, unit string
	step       int // units come in multiples of it
	ours       mover
	others     []mover
	close      func()
	missing    string // why it cannot be run
}

func (r race) run(b *testing.B) [][]string {
	b.Helper()
	if r.missing != "" {
		return [][]string{{r.missing, "", "", "not run", ""}}
	}
	if r.close != nil {
		defer r.close()
	}
	all := append([]mover{r.ours}, r.others...)
	n := r.step
	for took := time.Duration(0); took < leastRound; n *= 2 {
		began := time.Now()
		r.ours.move(n)
		if took = time.Since(began); took >= leastRound {
			break
		}
	}
	rates := make([][]float64, len(all))
	for range throughputRounds {
		for _, i := range rand.Perm(len(all)) {
			began := time.Now()
			all[i].move(n)
			rates[i] = append(rates[i], float64(n)/time.Since(began).Seconds())
		}
	}
	var rows [][]string
	for i, other := range r.others {
		ratios := make([]float64, throughputRounds)
		for k := range ratios {
			ratios[k] = rates[0][k] / rates[i+1][k]
		}
		slices.Sort(ratios)
		median, goal, verdict := ratios[len(ratios)/2], "", ""
		if i == 0 {
			goal, verdict = fmt.Sprintf("≥ %.1f", throughputGoal), "missed"
			if median >= throughputGoal {
				verdict = "reached"
			}
		}
		rows = append(rows, []string{
			r.what + ": ours / " + other.name, goal, fmt.Sprintf("%.2f [%.2f..%.2f]", median, ratios[0], ratios[len(ratios)-1]), verdict,
			fmt.Sprintf("%s, %s %s/s", thousands(middle(rates[0])), thousands(middle(rates[i+1])), r.unit),
		})
	}
	return rows
}

func middle(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func thousands(v float64) string { return fmt.Sprintf("%.1f k", v/1000) }

func printCells(table [][]string) {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	fmt.Println()
	for _, row := range table {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
		}
		fmt.Println(strings.TrimRight(line.String(), " "))
	}
}

// works is the server as it is wired, in this process.
type works struct {
	b      *testing.B
	server *server
	tenant *control.Tenant
	lives  *supervisor.Tenant
}

func newWorks(b *testing.B) *works {
	b.Helper()
	ctx := b.Context()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	s, err := openServer(ctx, b.TempDir(), keySource{env: func(string) string { return "" }}, 0, spec.Ceiling{}, log)
	check(b, err)
	b.Cleanup(func() { check(b, s.close(context.WithoutCancel(ctx))) })
	check(b, s.supervisor.Start(ctx))
	w := &works{b: b, server: s}
	tenant, err := s.control.Tenant(defaultTenant)
	check(b, err)
	w.tenant = tenant.By(identity.OfServer(defaultTenant))
	w.lives, err = s.supervisor.Tenant(defaultTenant)
	check(b, err)
	return w
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// connect makes a connector of a module that ships, and waits until it runs.
func (w *works) connect(in control.ConnectorInput, module string, config map[string]any) string {
	w.b.Helper()
	wasm, err := connectorswasm.Module(module)
	check(w.b, err)
	m, _, err := w.tenant.AddModule(w.b.Context(), bytes.NewReader(wasm), nil, "")
	check(w.b, err)
	in.Module = m.Digest
	in.Config, err = json.Marshal(config)
	check(w.b, err)
	c, err := w.tenant.CreateConnector(w.b.Context(), in)
	check(w.b, err)
	_, err = w.tenant.Activate(w.b.Context(), c.ID)
	check(w.b, err)
	w.until("it runs", func() bool { return w.lives.Running()[c.ID].State == lifecycle.Running })
	return c.ID
}

// records is how many records of a connector are durable.
func (w *works) records(id string) int { return int(w.lives.Running()[id].Counters.Records) }

// until waits for a condition, and looks often.
func (w *works) until(what string, met func() bool) {
	w.b.Helper()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !met(); <-tick.C {
		if time.Now().After(end) {
			w.b.Fatalf("not within a minute: %s; %+v", what, w.lives.Running())
		}
	}
}

// The bounds of a batch, of the contract and of the plain programs.
const (
	batchItems = 256
	batchWait  = 5 * time.Millisecond
)

// ledger is where a plain program writes to.
type ledger struct {
	b    *testing.B
	file *os.File
	sync bool
	buf  []byte
}

func newLedger(b *testing.B, sync bool) *ledger {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "ledger"))
	check(b, err)
	b.Cleanup(func() { check(b, f.Close()) })
	return &ledger{b: b, file: f, sync: sync}
}

// add writes a batch, in the form in which records cross and are stored.
func (l *ledger) add(batch *abi.Batch) {
	l.buf = batch.Append(l.buf[:0])
	_, err := l.file.Write(l.buf)
	check(l.b, err)
	if l.sync {
		check(l.b, l.file.Sync())
	}
}

// note writes how far a delivery is, in the place of what was there.
func (l *ledger) note(at int) {
	_, err := l.file.WriteAt(fmt.Appendf(nil, "%020d", at), 0)
	check(l.b, err)
	if l.sync {
		check(l.b, l.file.Sync())
	}
}

// gather takes n items, makes batches of them by size and time, and has them done.
// It reads on while a batch is written.
func gather[T any](in <-chan T, n int, done func([]T)) {
	batches := make(chan []T, 4)
	end := make(chan struct{})
	go func() {
		defer close(end)
		for batch := range batches {
			done(batch)
		}
	}()
	batch := make([]T, 0, batchItems)
	late := time.NewTimer(batchWait)
	defer late.Stop()
	for n > 0 {
		full := false
		select {
		case item := <-in:
			n--
			if batch = append(batch, item); len(batch) == 1 {
				late.Reset(batchWait)
			}
			full = len(batch) == batchItems || n == 0
		case <-late.C:
			full = len(batch) > 0
		}
		if full {
			batches <- batch
			batch = make([]T, 0, batchItems)
		}
	}
	close(batches)
	<-end
}
