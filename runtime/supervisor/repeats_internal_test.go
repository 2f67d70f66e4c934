package supervisor

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// TestNeighboursHideNoSourceKeys: what a lane handed over last is known after a
// restart, however much others have written since.
func TestNeighboursHideNoSourceKeys(t *testing.T) {
	log, err := outbox.Open(t.TempDir(), outbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	write := func(connector string, first uint64, keys ...string) {
		var batch abi.Batch
		for _, key := range keys {
			batch.Records = append(batch.Records, abi.Record{SourceKey: key})
		}
		b := outbox.Block{Connector: connector, Epoch: 1, First: first, Count: len(keys), Records: outbox.AppendBatch(nil, batch.Append(nil))}
		if _, err := log.Append(t.Context(), &b); err != nil {
			t.Error(err)
		}
	}
	keysOf := func(connector string) []string {
		t.Helper()
		ten := &Tenant{log: log}
		keys, err := laneHost{&host{Tenant: ten, id: connector}, &lane{}}.SourceKeys(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	write("quiet", 0, "a", "b")
	write("quiet", 2, "c", "d")
	var noise sync.WaitGroup
	const writers, blocks = 64, scanned/64 + 1
	for k := range writers {
		noise.Go(func() {
			for i := range uint64(blocks) {
				write(fmt.Sprint("busy", k), i, fmt.Sprint(i))
			}
		})
	}
	noise.Wait()
	if keys := keysOf("quiet"); !slices.Equal(keys, []string{"b", "c", "d"}) {
		t.Errorf("of the quiet one %q", keys)
	}
	if keys := keysOf("busy7"); !slices.Equal(keys, []string{"62", "63", "64"}) {
		t.Errorf("of a busy one %q", keys)
	}
	if keys := keysOf("never"); len(keys) != 0 {
		t.Errorf("of one that wrote nothing %q", keys)
	}
}
