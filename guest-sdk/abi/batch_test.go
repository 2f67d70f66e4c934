package abi_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// readings is a batch as a connector makes it: n records of some devices with
// three points each.
func readings(n int) *abi.Batch {
	b := new(abi.Batch)
	for i := range n {
		at := 1_750_000_000_000_000_000 + int64(i)*1_000_000
		b.Records = append(b.Records, abi.Record{
			Device: fmt.Sprintf("meter-%d", i%4),
			Time:   at,
			Points: []abi.Point{
				{Name: "temperature", Unit: "Cel", Value: abi.Double(21.5 + float64(i))},
				{Name: "humidity", Unit: "%", Value: abi.Int(int64(i))},
				{Name: "state", Value: abi.String("running"), SourceTime: at - 1000},
			},
		})
	}
	return b
}

func TestBatchSurvivesTheRoundTrip(t *testing.T) {
	var got abi.Batch
	for _, n := range []int{0, 1, 64, abi.MaxItems, 3} {
		want := readings(n)
		src := want.Append(nil)
		if err := got.Decode(src); err != nil {
			t.Fatal(err)
		}
		if len(got.Records) != n || n > 0 && !reflect.DeepEqual(got.Records, want.Records) {
			t.Errorf("%d records: got %+v", n, got.Records)
		}
		if records, err := abi.CheckBatch(src); records != n || err != nil {
			t.Errorf("check: %d, %v; want %d", records, err, n)
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	b := readings(2)
	want := "before" + string(b.Append(nil))
	if got := string(b.Append([]byte("before"))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNamesAreWrittenOnce covers the tables below and above the size from
// which they are looked up in a map.
func TestNamesAreWrittenOnce(t *testing.T) {
	for _, devices := range []int{1, 2, 15, 16, 17, 18, 100, 256} {
		var b, got abi.Batch
		for i := range abi.MaxItems {
			b.Records = append(b.Records, abi.Record{
				Device: fmt.Sprintf("<device %d>", (i*7)%devices),
				Points: []abi.Point{
					{Name: fmt.Sprintf("<name %d>", i%devices), Unit: "<unit>"},
					{Name: "<unit>", Unit: fmt.Sprintf("<name %d>", (i*3)%devices)},
				},
			})
		}
		for range 2 { // the second time with tables that were used
			src := b.Append(nil)
			if err := got.Decode(src); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Records, b.Records) {
				t.Errorf("%d devices: another batch came back", devices)
			}
			for i := range devices {
				for _, s := range []string{fmt.Sprintf("<device %d>", i), fmt.Sprintf("<name %d>", i), "<unit>"} {
					if n := strings.Count(string(src), s); n != 1 {
						t.Errorf("%d devices: %s is written %d times", devices, s, n)
					}
				}
			}
		}
	}
}

// TestAppendWithAnyRoom holds the fast ways to those that are taken when dst
// has to grow.
func TestAppendWithAnyRoom(t *testing.T) {
	b := readings(3)
	want := b.Append(nil)
	for room := range len(want) + 32 {
		if got := b.Append(make([]byte, 0, room)); string(got) != string(want) {
			t.Fatalf("with room for %d bytes: got %x, want %x", room, got, want)
		}
	}
}

func TestAFaultLeavesNoRecords(t *testing.T) {
	b := readings(2)
	src := b.Append(nil)
	if err := b.Decode(src[:len(src)-1]); !errors.Is(err, abi.ErrMalformed) || len(b.Records) != 0 {
		t.Errorf("%v with %d records", err, len(b.Records))
	}
	if err := b.Decode(src); err != nil || len(b.Records) != 2 {
		t.Errorf("%v with %d records after the fault", err, len(b.Records))
	}
}

func TestFaultsSayWhere(t *testing.T) {
	record := func(fields string) string {
		return "\x0a\x01d\x1a\x01n\x2a\x00" + string(protowire.AppendString([]byte{0x2a}, fields))
	}
	tests := []struct{ src, want string }{
		{record("\x08\x07"), "record 1: device 7 of a table of 1"},
		{record("\x20\x01"), "record 1: content type 0 of a table of 0"},
		{record("\x32\x00\x32\x02\x08\x03"), "record 1: point 1: name 3 of a table of 1"},
		{record("\x32\x02\x10\x05"), "record 1: point 0: unit 4 of a table of 1"},
		{record("\x42\x03\x0a\x01\xff"), "record 1: header 0: malformed message: a string is not UTF-8"},
	}
	for _, tt := range tests {
		var b abi.Batch
		if err := b.Decode([]byte(tt.src)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("decode: %v, want %q in it", err, tt.want)
		}
		if _, err := abi.CheckBatch([]byte(tt.src)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("check: %v, want %q in it", err, tt.want)
		}
	}
}

func TestBatchBounds(t *testing.T) {
	many := func(n, size int) []byte { // records in all, each with some payload
		b := readings(n)
		b.Records[0].Payload = make([]byte, size)
		return b.Append(nil)
	}
	inRecord := func(field string, n int) []byte {
		return protowire.AppendString([]byte("\x0a\x01d\x1a\x01n\x2a"), strings.Repeat(field+"\x00", n))
	}
	spread := func(points int) []byte { // over as many records as they need
		b := abi.Batch{Records: make([]abi.Record, (points+abi.MaxPoints-1)/abi.MaxPoints)}
		for i := range points {
			r := &b.Records[i%len(b.Records)]
			r.Points = append(r.Points, abi.Point{})
		}
		return b.Append(nil)
	}
	overhead := len(many(1, 1<<20)) - 1<<20
	tests := []struct {
		name string
		src  []byte
		want error
	}{
		{"records", many(abi.MaxItems, 0), nil},
		{"a record too many", many(abi.MaxItems+1, 0), abi.ErrTooLarge},
		{"bytes", many(1, abi.MaxBatch-overhead), nil},
		{"a byte too many", many(1, abi.MaxBatch-overhead+1), abi.ErrTooLarge},
		{"points", inRecord("\x32", abi.MaxPoints), nil},
		{"a point too many", inRecord("\x32", abi.MaxPoints+1), abi.ErrTooLarge},
		{"points in all", spread(abi.MaxBatchPoints), nil},
		{"a point too many in all", spread(abi.MaxBatchPoints + 1), abi.ErrTooLarge},
		{"headers", inRecord("\x42", abi.MaxHeaders), nil},
		{"a header too many", inRecord("\x42", abi.MaxHeaders+1), abi.ErrTooLarge},
	}
	for _, tt := range tests {
		var b abi.Batch
		if err := b.Decode(tt.src); !errors.Is(err, tt.want) {
			t.Errorf("%s: decode: %v, want %v", tt.name, err, tt.want)
		}
		if _, err := abi.CheckBatch(tt.src); !errors.Is(err, tt.want) {
			t.Errorf("%s: check: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestOnlyTheHostWritesGaps(t *testing.T) {
	for kind, want := range map[abi.Kind]error{
		abi.KindTelemetry: nil, abi.KindAttributes: nil, abi.KindEvent: nil,
		abi.KindGap: abi.ErrKind, 9: abi.ErrKind,
	} {
		b := readings(2)
		b.Records[1].Kind = kind
		src := b.Append(nil)
		if _, err := abi.CheckBatch(src); !errors.Is(err, want) {
			t.Errorf("kind %d: check: %v, want %v", kind, err, want)
		}
		var got abi.Batch
		if err := got.Decode(src); err != nil || got.Records[1].Kind != kind {
			t.Errorf("kind %d: decode: %v", kind, err)
		}
	}
}

func TestTimesWrap(t *testing.T) {
	const least, most = -1 << 63, 1<<63 - 1
	b := abi.Batch{Records: []abi.Record{
		{Time: most, Points: []abi.Point{{SourceTime: least}}},
		{Time: least, Points: []abi.Point{{SourceTime: most}}},
		{Time: 0, Points: []abi.Point{{SourceTime: 0}}},
	}}
	var got abi.Batch
	if err := got.Decode(b.Append(nil)); err != nil || !reflect.DeepEqual(got.Records, b.Records) {
		t.Errorf("%v: %+v", err, got.Records)
	}
}

// TestTablesAfterTheTime reads a batch twice whose fields stand in another
// order than we write them.
func TestTablesAfterTheTime(t *testing.T) {
	src := protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), 1000)
	src = protowire.AppendString(protowire.AppendTag(src, 1, protowire.BytesType), "a")
	src = protowire.AppendBytes(protowire.AppendTag(src, 5, protowire.BytesType), nil)
	src = protowire.AppendString(protowire.AppendTag(src, 2, protowire.BytesType), "text/plain")
	var b abi.Batch
	for range 3 {
		if err := b.Decode(src); err != nil || len(b.Records) != 1 || b.Records[0].Device != "a" || b.Records[0].Time != 1000 {
			t.Fatalf("got %+v, %v", b.Records, err)
		}
	}
}

// TestSourceKeysAreFound, and nothing that looks like one.
func TestSourceKeysAreFound(t *testing.T) {
	plain := abi.Batch{Records: []abi.Record{{Device: "J", Payload: []byte("JJJ\x4a\x01x"), Key: []byte("J")}}}
	if src := plain.Append(nil); abi.HasSourceKeys(src) || abi.CountBatch(src) != 1 {
		t.Errorf("%x: %d records, one of them with a source key", src, abi.CountBatch(src))
	}
	keyed := abi.Batch{Records: []abi.Record{{Device: "d"}, {Device: "d", SourceKey: "7"}}}
	if src := keyed.Append(nil); !abi.HasSourceKeys(src) || abi.CountBatch(src) != 2 {
		t.Errorf("%x: %d records, none of them with a source key", src, abi.CountBatch(src))
	}
}

// The names of kinds stand in topics and in what sinks send: they stay.
func TestNamesOfKinds(t *testing.T) {
	for kind, want := range map[abi.Kind]string{
		abi.KindTelemetry: "telemetry", abi.KindAttributes: "attributes", abi.KindEvent: "event", abi.KindGap: "gap", 99: "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d: %s, want %s", uint32(kind), got, want)
		}
	}
}
