package abi_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestBatchesDoNotLeaveTraces encodes unlike batches with one Batch: what it
// remembers of the ones before must not show.
func TestBatchesDoNotLeaveTraces(t *testing.T) {
	point := func(name, unit string, v abi.Value) abi.Point { return abi.Point{Name: name, Unit: unit, Value: v} }
	record := func(device string, points ...abi.Point) abi.Record { return abi.Record{Device: device, Points: points} }
	long := strings.Repeat("n", 200)
	batches := [][]abi.Record{
		{record("d", point("a", "u", abi.Int(-1)), point("b", "u", abi.Double(2)), point("c", "", abi.Bool(true)))},
		{record("d", point("c", "", abi.Int(1)))},
		{record("d", point("c", "b", abi.Int(1)), point("b", "c", abi.Int(1)), point("c", "", abi.Uint(1<<63)))},
		{record("", point("", "", abi.Value{})), record("", point("", "x", abi.Int(-1<<63)))},
		{record("e", point("a", "u", abi.Int(1))), record("d", point("u", "a", abi.Int(1))), record("d")},
		{record("d", point("a", "u", abi.Int(1)), point("b", "u", abi.Int(1))), record("d", point("b", "u", abi.Int(1<<48)))},
		{},
		{record("d", point(long, "", abi.Int(1<<47))), record("d", point(strings.Clone(long), "", abi.String(long)))},
	}
	var used abi.Batch
	for i := range batches {
		for j := range batches { // each after each
			for _, b := range [][]abi.Record{batches[i], batches[j]} {
				used.Records = b
				want := (&abi.Batch{Records: b}).Append(nil)
				if got := used.Append(nil); string(got) != string(want) {
					t.Errorf("batches %d, %d: got %x, want %x", i, j, got, want)
				}
			}
		}
	}
}

func TestDecodedStringsOutliveTheInput(t *testing.T) {
	b := readings(1)
	b.Records[0].SourceKey = "key"
	b.Records[0].Headers = []abi.Header{{Name: "header"}}
	src := b.Append(nil)
	var got abi.Batch
	if err := got.Decode(src); err != nil {
		t.Fatal(err)
	}
	clear(src)
	r := got.Records[0]
	for got, want := range map[string]string{
		r.Device: "meter-0", r.SourceKey: "key", r.Headers[0].Name: "header",
		r.Points[0].Name: "temperature", r.Points[2].Value.String(): "running",
	} {
		if got != want {
			t.Errorf("%q became %q", want, got)
		}
	}
}

func TestAppendingToDecodedPointsHurtsNoOther(t *testing.T) {
	var b abi.Batch
	for range 2 { // the second time, all points share memory that is long enough
		if err := b.Decode(readings(2).Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	_ = append(b.Records[0].Points, abi.Point{Name: "intruder"})
	if name := b.Records[1].Points[0].Name; name != "temperature" {
		t.Errorf("the next record's point became %s", name)
	}
}

// TestWarmBatchesDoNotAllocate holds for a guest that handles one batch after
// the other, and for the host that checks them.
func TestWarmBatchesDoNotAllocate(t *testing.T) {
	b := readings(abi.MaxItems)
	for i := range b.Records {
		r := &b.Records[i]
		r.Device = fmt.Sprintf("device %d", i) // more than fit a linear search
		r.ContentType, r.Payload, r.Key = "text/plain", []byte("payload"), []byte("key")
		r.Headers = []abi.Header{{Name: "h", Value: []byte("v")}}
	}
	src := b.Append(nil)
	var other, got abi.Batch // the devices come in another order each time
	for i := range b.Records {
		other.Records = append(other.Records, b.Records[len(b.Records)-1-i])
	}
	turned := other.Append(nil)
	dst := make([]byte, 0, 2*len(src))
	for name, f := range map[string]func() error{
		"Append": func() error { b.Append(dst); return nil },
		"Decode": func() error { return errors.Join(got.Decode(src), got.Decode(turned)) },
		"Check":  func() error { _, err := abi.CheckBatch(src); return err },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(20, func() { _ = f() }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// TestManyNamesAreForgotten: a guest that invents names must not fill the
// memory of who reads them.
func TestManyNamesAreForgotten(t *testing.T) {
	var got abi.Batch
	for i := range 100 { // 25,600 names in all
		b := readings(abi.MaxItems)
		for j := range b.Records {
			b.Records[j].Device = fmt.Sprintf("device %d of batch %d", j, i)
		}
		if err := got.Decode(b.Append(nil)); err != nil || !reflect.DeepEqual(got.Records, b.Records) {
			t.Fatalf("batch %d: %v", i, err)
		}
	}
	if n := abi.KnownNames(&got); n == 0 || n > 2000 {
		t.Errorf("%d names are kept", n)
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{1, 64, 256} {
		batch := readings(n)
		src := batch.Append(nil)
		bench := func(name string, f func() error) {
			b.Run(fmt.Sprintf("%s/records=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
			})
		}
		dst := make([]byte, 0, 2*len(src))
		var got abi.Batch
		bench("Append", func() error { batch.Append(dst); return nil })
		bench("Decode", func() error { return got.Decode(src) })
		bench("Check", func() error { _, err := abi.CheckBatch(src); return err })
	}
}

// TestBatchesDoNotKnowTheOnesBefore holds a batch that has seen others, and so
// takes the ways that are faster then, to one that has not.
func TestBatchesDoNotKnowTheOnesBefore(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	var used, read abi.Batch
	var before []byte
	for range 20_000 {
		used.Records = used.Records[:0]
		for i := range 1 + random.IntN(4) {
			r := abi.Record{Device: pick("a", "a", "a", "b"), Time: 1_750_000_000_000_000_000 + int64(i)}
			if random.IntN(8) == 0 {
				r.ContentType, r.Payload = pick("", "text/plain"), []byte("payload")
			}
			if random.IntN(8) == 0 {
				r.Key = []byte("key")
			}
			for range random.IntN(4) {
				p := abi.Point{Name: pick("x", "x", "x", "y"), Unit: pick("", "Cel")}
				p.Value = []abi.Value{
					abi.Int(int64(random.Uint64())), abi.Int(-3), abi.Double(-1.5e300), abi.Uint(random.Uint64()),
					abi.Bool(true),
					{},
					abi.String("text"), abi.Bytes([]byte("bytes")),
				}[random.IntN(8)]
				if random.IntN(8) == 0 {
					p.Quality = 1 << 31
				}
				r.Points = append(r.Points, p)
			}
			used.Records = append(used.Records, r)
		}
		fresh := abi.Batch{Records: used.Records}
		want, got := fresh.Append(nil), used.Append(make([]byte, 0, 512))
		if string(got) != string(want) {
			t.Fatalf("%+v is written as\n%x, and fresh as\n%x", used.Records, got, want)
		}
		if random.IntN(4) == 0 && len(before) > 0 { // the start of the one before, and broken
			got = append(bytes.Clone(before[:random.IntN(len(before))]), got[random.IntN(len(got)):]...)
		}
		before = got
		var alone abi.Batch
		wantErr, err := alone.Decode(got), read.Decode(got)
		if fmt.Sprint(wantErr) != fmt.Sprint(err) || fmt.Sprintf("%+v", alone.Records) != fmt.Sprintf("%+v", read.Records) {
			t.Fatalf("%x is read as\n%+v, %v, and fresh as\n%+v, %v", got, read.Records, err, alone.Records, wantErr)
		}
	}
}

// TestStringsDoNotAliasEarlierBytes reads a string where the batch before had
// the same as bytes, which alias their input.
func TestStringsDoNotAliasEarlierBytes(t *testing.T) {
	batch := func(v abi.Value) []byte {
		b := abi.Batch{Records: []abi.Record{{Device: "a", Points: []abi.Point{{Name: "x", Value: v}}}}}
		return b.Append(nil)
	}
	var b abi.Batch
	src := batch(abi.Bytes([]byte("text")))
	for _, v := range []abi.Value{abi.Bytes([]byte("text")), abi.String("text")} {
		copy(src, batch(v))
		if err := b.Decode(src); err != nil {
			t.Fatal(err)
		}
	}
	clear(src)
	if got := b.Records[0].Points[0].Value.String(); got != "text" {
		t.Errorf("the string became %q", got)
	}
}
