package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// weather is the config of textframe that the guest cframe has built in.
const weather = `{"fields":[
	{"name":"temperature","from":0,"to":2,"type":"int","unit":"Cel"},
	{"name":"humidity","from":2,"to":4,"type":"int","unit":"%"},
	{"name":"battery","from":4,"to":6,"type":"int","unit":"%"}]}`

// TestCFrame holds the guest in C against the one in Go, whose answers it
// gives byte by byte.
func TestCFrame(t *testing.T) {
	c, g := openConverter(t, "cframe"), openConverter(t, "textframe")
	texts := []string{
		"422498\n", "422498\r\n", "422498", "422498\n\n", "422498\r", "\n", "\r\n", "", "42249", "4224981", "-1+2 3\n",
		"1 2-3 ", "ab2498\n", "42a498\n", "42 498", "  2498", "42--98", "42- 98", "422\x00498", "42\"\\98", "42249\a\b\x7f",
		strings.Repeat("4224", 30), strings.Repeat("x\t", 70), "ä22498", "42ä498\n", "日本422498", "\xff22498", "4224\xed\xa0\x8098",
		"42\xe6\x97", "\xf4\x90\x80\x80", "\xf0\x9f\x98\x80", "99-9+9\n", "000000\n",
	}
	var all abi.Batch
	for i, text := range texts {
		r := abi.Record{Device: "roof", Time: 1_700_000_000_000_000_000 + int64(i)*5_000_000, Payload: []byte(text)}
		all.Records = append(all.Records, r)
		same(t, c, g, (&abi.Batch{Records: []abi.Record{r}}).Append(nil))
	}
	same(t, c, g, all.Append(nil))
	for _, in := range batches() {
		same(t, c, g, in)
	}
}

// batches are inputs with all that a batch can hold.
func batches() (all [][]byte) {
	point := abi.Point{Name: "raw", Unit: "Cel", Value: abi.String("ü"), Quality: 7, SourceTime: 3}
	var many, mixed, full, points, allPoints abi.Batch
	points.Records = []abi.Record{{Device: "d", Payload: []byte("422498"), Points: make([]abi.Point, abi.MaxPoints)}}
	for range abi.MaxBatchPoints/abi.MaxPoints + 1 {
		allPoints.Records = append(allPoints.Records, points.Records[0])
	}
	tooMany := abi.Batch{Records: []abi.Record{points.Records[0]}}
	tooMany.Records[0].Points = make([]abi.Point, abi.MaxPoints+1)
	for i := range abi.MaxItems {
		payload := fmt.Appendf(nil, "%02d2498\n", i%100)
		many.Records = append(many.Records, abi.Record{Device: fmt.Sprint("d", i%150), Time: -int64(i), Payload: payload})
		mixed.Records = append(mixed.Records, abi.Record{
			Device: fmt.Sprint("d", i%3), Kind: abi.KindEvent, Time: int64(i%7) << (i % 64), ContentType: "text/plain",
			Payload: payload, Points: []abi.Point{point, {Name: "x", Value: abi.Double(float64(i))}}, Key: payload[:i%8],
			Headers:   []abi.Header{{Name: "h", Value: bytes.Repeat(payload, i)}, {}, {Value: []byte("v")}},
			SourceKey: strings.Repeat("k", i),
		})
		full.Records = append(full.Records, abi.Record{Device: "d", Payload: bytes.Repeat([]byte("9"), 4000)})
	}
	two := append(many.Append(nil), mixed.Append(nil)...) // more records than are allowed
	mixed.Records[7].Headers[0].Value = make([]byte, 20_000)
	const start = "\x0a\x01d\x2a\x0b\x18" // a device, a record, its time
	return [][]byte{
		[]byte(start + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte(start + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
		nil, frames64(1), frames64(64), many.Append(nil), mixed.Append(nil), full.Append(nil), two,
		points.Append(nil), allPoints.Append(nil), tooMany.Append(nil), make([]byte, abi.MaxBatch+1),
	}
}

// frames64 is a batch of n frames as serialline emits them.
func frames64(n int) []byte {
	var b abi.Batch
	for i := range n {
		b.Records = append(b.Records, abi.Record{
			Device: "weather-1", Time: 1_700_000_000_000_000_000 + int64(i)*5_000_000,
			ContentType: "application/octet-stream", Payload: fmt.Appendf(nil, "%02d%02d%02d\n", 10+i%90, 24, 98),
		})
	}
	return b.Append(nil)
}

// TestCFrameOnBrokenInput changes bytes of good batches: both guests read them
// in the same way, or refuse them.
func TestCFrameOnBrokenInput(t *testing.T) {
	c, g := openConverter(t, "cframe"), openConverter(t, "textframe")
	seeds := batches()[3:7]
	seeds[2], seeds[3] = shorten(t, seeds[2]), shorten(t, seeds[3])
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		in := bytes.Clone(seeds[random.IntN(len(seeds))])
		for range 1 + random.IntN(4) {
			at := random.IntN(len(in))
			switch random.IntN(4) {
			case 0:
				in[at] = byte(random.IntN(256))
			case 1:
				in[at] ^= 1 << random.IntN(8)
			case 2:
				in = append(in[:at], in[at+random.IntN(min(len(in)-at, 4)):]...)
			default:
				in = append(in[:at:at], append([]byte{byte(random.IntN(256))}, in[at:]...)...)
			}
		}
		same(t, c, g, in)
	}
}

// shorten keeps the first records of a batch.
func shorten(t *testing.T, in []byte) []byte {
	t.Helper()
	var b abi.Batch
	if err := b.Decode(in); err != nil {
		t.Fatal(err)
	}
	b.Records = b.Records[:12]
	return b.Append(nil)
}

// same compares the answers of two converters to one input.
func same(t *testing.T, c, g *engine.Instance, in []byte) {
	t.Helper()
	want, wantErr := g.Call(t.Context(), abi.EntryConvert, in)
	want = bytes.Clone(want)
	got, err := c.Call(t.Context(), abi.EntryConvert, in)
	if (err == nil) != (wantErr == nil) || err != nil && fault.Of(err).Kind != fault.Of(wantErr).Kind {
		t.Fatalf("%x: error %v, want %v", in, err, wantErr)
	}
	if err != nil || bytes.Equal(got, want) {
		return
	}
	// The reasons may differ where a payload has characters that cannot be printed.
	if isASCII(in) || !bytes.Equal(withoutReasons(t, got), withoutReasons(t, want)) {
		t.Fatalf("%x: got\n%x, want\n%x\n%q\n%q", in, got, want, got, want)
	}
}

func isASCII(b []byte) bool { return !bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x80 }) }

func withoutReasons(t *testing.T, src []byte) []byte {
	t.Helper()
	var o abi.OutcomeView
	if err := o.Decode(src); err != nil {
		t.Fatal(err)
	}
	for i := range o.Verdicts {
		o.Verdicts[i].Reason = ""
	}
	return o.Append(nil)
}

// openConverter is an instance of a converter that `make wasm` has built.
func openConverter(t testing.TB, name string) *engine.Instance {
	t.Helper()
	e := newGoEngine(t, filepath.Join(scratch, "cache"))
	i := instantiate(t, e, compile(t, e, built(t, name)), engine.InstanceConfig{
		Link: goLink(), Host: quiet{}, CallTimeout: time.Minute,
	})
	open(t, i, weather)
	return i
}

// built is a module that `make wasm` has built. A guest in another language
// than Go is skipped where its compiler is missing.
func built(t testing.TB, name string) []byte {
	t.Helper()
	for _, dir := range []string{"../../connectors-wasm/dist", "../../testdata/guests/dist"} {
		if wasm, err := os.ReadFile(filepath.Join(dir, name+".wasm")); err == nil {
			return wasm
		}
	}
	if _, err := os.Stat(filepath.Join("../../testdata/guests", name, "main.go")); err == nil || name == "textframe" {
		t.Fatalf("%s.wasm is not built: run `make wasm`", name)
	}
	t.Skipf("%s.wasm is not built, because its compiler is missing: `make test-setup` installs it where it may", name)
	return nil
}
