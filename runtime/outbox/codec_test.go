package outbox

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// full is a block with something in every field.
func full() *Block {
	return &Block{
		Connector: "meter1", Epoch: 7, First: 42, Received: 1_700_000_000_000_000_000,
		Module: "sha256:0123", Revision: 9, Count: 2, Records: []byte("records"), Cursor: []byte("cursor"),
		KV:      []KV{{Key: "k", Value: []byte("v")}, {Key: "gone", Delete: true}},
		Devices: []abi.DeviceChange{{ID: "d", Type: "t", Name: "n"}, {Change: abi.ChangeRemove, ID: "e"}},
		Timers:  []abi.Timer{{Name: "t", AfterMS: 5, EveryMS: 6}, {Name: "u", Clear: true}},
		Rejects: []Reject{{Device: "d", Reason: "why", Input: []byte("in")}},
		Stopped: true,
	}
}

func TestBlockGolden(t *testing.T) {
	// A log written by an older binary must stay readable.
	path := filepath.Join("testdata", "block.hex")
	got := hex.EncodeToString(appendBlock(nil, full()))
	want, err := os.ReadFile(path)
	if *update {
		want, err = []byte(got), os.WriteFile(path, []byte(got+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	old, err := hex.DecodeString(strings.TrimSpace(string(want)))
	if err != nil {
		t.Fatal(err)
	}
	var b Block
	if err := decodeBlock(old, &b); err != nil || !reflect.DeepEqual(&b, full()) {
		t.Fatalf("the kept block reads as %+v, %v", b, err)
	}
	if got != strings.TrimSpace(string(want)) {
		t.Errorf("a block is now written as\n%s, was\n%s", got, want)
	}
}

// A segment as the first version wrote it, and as this one does.
func TestSegmentGolden(t *testing.T) {
	const s = salt(0x0123456789abcdef)
	want := appendSnapshot(nil, s, 4, map[string]*State{
		"meter1": {
			Epoch: 7, Next: 42, Cursor: []byte("old"), Last: 4, Effects: 3, Stopped: true, LastAt: 5,
			Timers: []Timer{{timer("t", 1), 2}},
		},
		"meter2": {Epoch: 1, Next: 1, Last: 1},
	})
	want = appendRecord(want, s, 5, appendBlock([]byte{byte(kindBlock)}, full()))
	want = appendRecord(want, s, 5, appendForget([]byte{byte(kindForget)}, "meter2", ""))
	name := segmentName(5, s)
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(kept, want) {
		t.Errorf("a segment is written differently now (%v)", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir, small())
	block := full()
	block.Seq = 5
	if got, err := l.Read(5); err != nil || !reflect.DeepEqual(got, block) {
		t.Errorf("the kept block reads as %+v, %v", got, err)
	}
	state := map[string]State{"meter1": {
		Epoch: 7, Next: 44, Cursor: []byte("cursor"), Last: 5, Effects: 5, Stopped: true, LastAt: block.Received,
		Timers: []Timer{{block.Timers[0], block.Received}},
	}}
	if got := l.Connectors(); !reflect.DeepEqual(got, state) || l.First() != 5 {
		t.Errorf("states %+v, want %+v; first %d", got, state, l.First())
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

func TestUnknownFieldsAreIgnored(t *testing.T) {
	src := wire.AppendUint(nil, 99, 1)
	src = appendBlock(src, full())
	src = wire.AppendString(src, 100, "from the future")
	src = wire.AppendFixed64(src, 2, 5) // a known number of another type
	var b Block
	if err := decodeBlock(src, &b); err != nil || !reflect.DeepEqual(&b, full()) {
		t.Fatalf("got %+v, %v", b, err)
	}
}

func TestDecodingAgainLeavesNothingOfBefore(t *testing.T) {
	b := *full()
	if err := decodeBlock(appendBlock(nil, &Block{Connector: "x"}), &b); err != nil {
		t.Fatal(err)
	}
	if b.Module != "" || b.Records != nil || b.Cursor != nil || b.Stopped || len(b.KV)+len(b.Devices)+len(b.Timers)+len(b.Rejects) != 0 {
		t.Fatalf("left over: %+v", b)
	}
}

func FuzzDecodeBlock(f *testing.F) {
	f.Add(appendBlock(nil, full()))
	f.Add([]byte{})
	f.Add([]byte("\x52\x03\x0a\x01\xff"))
	f.Fuzz(func(t *testing.T, src []byte) {
		var b, again Block
		if decodeBlock(src, &b) != nil {
			return
		}
		if err := decodeBlock(appendBlock(nil, &b), &again); err != nil || !reflect.DeepEqual(appendBlock(nil, &b), appendBlock(nil, &again)) {
			t.Fatalf("%+v came back as %+v, %v", b, again, err)
		}
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	rec := appendSnapshot(nil, 1, 5, map[string]*State{
		"a": {Epoch: 2, Next: 3, Cursor: []byte("c"), Last: 4, Timers: []Timer{{timer("t", 1), 9}}},
	})
	f.Add(rec[headerLen+1:])
	f.Fuzz(func(_ *testing.T, src []byte) {
		s := snapshot{states: make(map[string]*State)}
		s.add(src)
		_, _, _ = decodeForget(src)
		_ = decodeCursors(src, make(map[string]*cursor))
	})
}
