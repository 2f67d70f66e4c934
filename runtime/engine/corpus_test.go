package engine_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// corpus is modules of the compilers and libraries that connectors are written
// with, and what to ask of them.
func corpus() map[string][]exchange {
	tallies := []exchange{
		{entry: "tally", in: "b a  b\n", want: "a 1 33.33%\nb 2 66.66%\ntotal 3\n"},
		{entry: "tally", in: "", want: "total 0\n"},
		{entry: "tally", in: strings.Repeat("zeta alpha über mid\t", 500), want: "alpha 500 25.00%\nmid 500 25.00%\nzeta 500 25.00%\nüber 500 25.00%\ntotal 2000\n"},
		{entry: "tally", in: "x", want: "x 1 100.00%\ntotal 1\n"},
	}
	raws := []exchange{
		{entry: "raw", in: string(rawFrames(64)), want: string(nativeRaw(nil, rawFrames(64)))},
		{entry: "spin", in: "\x40\x42\x0f\x00\x00\x00\x00\x00", want: spun(1_000_000)},
	}
	described := func(entries string) []exchange {
		return []exchange{{entry: abi.EntryDescribe, want: `{"entry_points":[` + entries + `]}`}}
	}
	return map[string][]exchange{
		"cframe": described(`"open","convert"`), "craw": raws, "goraw": raws,
		"ctally": tallies, "rusttally": tallies, "rusttallywasi": tallies, "astally": tallies,
		"goextism": tallies, "cextism": tallies, "asextism": tallies,
		"textframe": described(`"open","convert","encode"`), "poison": described(`"open","convert"`),
		"serialline": described(`"open","close","on_events","test","on_publish","on_rpc","on_command","on_attributes"`),
		"echo":       nil, "filetail": nil, "ticker": nil,
		"parley": messages(),
	}
}

// messages are calls of what a guest is sent, and of a job.
func messages() []exchange {
	var all []exchange
	for t := abi.MessagePublish; t <= abi.MessageAttributes; t++ {
		m := abi.Message{Type: t, Correlation: "c", Method: "empty"}
		out := abi.Outcome{Replies: []abi.Reply{{Correlation: "c", Status: abi.ReplyEmpty}}}
		if t == abi.MessagePublish { // that cannot be answered
			m.Method, out = "never", abi.Outcome{}
		}
		all = append(all, exchange{entry: abi.EntryFor(t), in: string(m.Append(nil)), want: string(out.Append(nil))})
	}
	return append(all, exchange{entry: abi.EntryOnJob, in: string(abi.Job{Name: "sweep"}.Append(nil))})
}

// exchange is a call and its answer.
type exchange struct{ entry, in, want string }

// spun is what spin answers.
func spun(n uint64) string {
	x := uint64(1)
	for i := range n {
		x = x*6364136223846793005 + i
	}
	out := make([]byte, 8)
	for i := range out {
		out[i] = byte(x >> (8 * i))
	}
	return string(out)
}

// TestCorpus takes each module all the way: it is read, metered, compiled,
// instantiated and called.
func TestCorpus(t *testing.T) {
	groups := append(goGroups(), named{"file", []string{"open", "read"}})
	e, err := engine.New(t.Context(), engine.Config{CacheDir: filepath.Join(scratch, "cache"), Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	link := goLink()
	link["file"] = engine.Denied
	for name, exchanges := range corpus() {
		t.Run(name, func(t *testing.T) {
			wasm := built(t, name)
			checkMeter(t, wasm)
			i := instantiate(t, e, compile(t, e, wasm), engine.InstanceConfig{
				Link: link, Host: quiet{}, CallTimeout: time.Minute,
			})
			if i.Has(abi.EntryDescribe) {
				exchanges = append(exchanges, exchange{entry: abi.EntryDescribe})
			}
			if len(exchanges) == 0 {
				t.Fatal("nothing to ask")
			}
			for range 3 { // what one call leaves behind must not change the next
				for _, x := range exchanges {
					got, err := i.Call(t.Context(), x.entry, []byte(x.in))
					if err != nil || x.want != "" && string(got) != x.want {
						t.Fatalf("%s(%q) is %q, %v, want %q", x.entry, x.in, got, err, x.want)
					}
				}
			}
			if u := i.Usage(); u.Fuel == 0 {
				t.Errorf("no fuel was used: %+v", u)
			}
		})
	}
}

// checkMeter looks at what becomes of a module when it is read and metered:
// always the same, and not much longer.
func checkMeter(t *testing.T, wasm []byte) {
	t.Helper()
	if _, err := wasmbin.Read(wasm); err != nil {
		t.Fatal(err)
	}
	metered, err := wasmbin.Meter(wasm)
	if err != nil {
		t.Fatal(err)
	}
	again, err := wasmbin.Meter(wasm)
	if err != nil || !bytes.Equal(metered, again) {
		t.Errorf("metered again it is another module: %v", err)
	}
	if len(metered) > len(wasm)+len(wasm)/4+4096 {
		t.Errorf("%d bytes became %d", len(wasm), len(metered))
	}
}
