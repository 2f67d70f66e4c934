package actor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/spec"
)

// plainConverter opens an unmodified Extism plugin as a converter.
func plainConverter(t *testing.T, guest string, x abi.Extism, config string, lines *[]string) flow.Converter {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("..", "..", "testdata", "guests", "dist", guest+".wasm"))
	if err != nil {
		t.Skipf("%s is not built: %v", guest, err)
	}
	e, err := engine.New(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	m, err := e.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	all := actor.NewConverters(actor.ConvertersConfig{
		Engine: e, Log: slog.New(slog.DiscardHandler),
		Line: func(level abi.LogLevel, source, target, text string) {
			*lines = append(*lines, fmt.Sprintf("%d %s %s %s", level, source, target, text))
		},
	})
	c, release, err := all.Converter(t.Context(), m, abi.Manifest{Kind: abi.KindConverter, Extism: &x}, json.RawMessage(config), spec.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release(context.Background()) })
	return c
}

func convertPlain(t *testing.T, c flow.Converter, payloads ...string) (records []abi.Record, verdicts []abi.Verdict) {
	t.Helper()
	var in abi.Batch
	for n, p := range payloads {
		in.Records = append(in.Records, abi.Record{Device: fmt.Sprintf("d%d", n), Time: int64(n), ContentType: "text/plain", Payload: []byte(p)})
	}
	out, err := c.Convert(t.Context(), in.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	var view abi.OutcomeView
	var batch abi.Batch
	if err := view.Decode(out); err != nil {
		t.Fatal(err)
	}
	if err := batch.Decode(view.Batch); err != nil {
		t.Fatal(err)
	}
	return batch.Records, view.Verdicts
}

func TestPlainExtismPluginConverts(t *testing.T) {
	for _, guest := range []string{"cextism", "goextism"} {
		t.Run(guest, func(t *testing.T) {
			var lines []string
			c := plainConverter(t, guest, abi.Extism{Convert: "convert", ContentType: "application/json"}, "", &lines)
			for range 3 {
				records, verdicts := convertPlain(t, c, "215367", "x", "", "010203 and more")
				var got []string
				for _, r := range records {
					got = append(got, fmt.Sprintf("%s %d %s %s", r.Device, r.Time, r.ContentType, r.Payload))
				}
				want := []string{
					`d0 0 application/json {"temperature":21,"humidity":53,"battery":67}`,
					`d3 3 application/json {"temperature":1,"humidity":2,"battery":3}`,
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %q", got)
				}
				if len(verdicts) != 2 || verdicts[0].Input != 1 || verdicts[0].Decision != abi.DecisionReject ||
					!strings.HasPrefix(verdicts[0].Reason, "a frame has six digits") ||
					verdicts[1].Input != 2 || !strings.Contains(verdicts[1].Reason, "no payload") {
					t.Errorf("verdicts %+v", verdicts)
				}
			}
		})
	}
}

func TestPlainExtismPluginHasItsConfigAndLog(t *testing.T) {
	var lines []string
	c := plainConverter(t, "goextism", abi.Extism{Convert: "remember"}, `{"greeting": "good day", "depth": {"a": [1]}, "none": null}`, &lines)
	records, _ := convertPlain(t, c, "you", "me")
	if len(records) != 2 || string(records[0].Payload) != "good day, you: call 1" ||
		string(records[1].Payload) != "good day, me: call 2" || records[0].ContentType != "text/plain" {
		t.Errorf("records %+v", records)
	}
	if want := []string{"1 guest extism call 1", "1 guest extism call 2"}; !slices.Equal(lines, want) {
		t.Errorf("log %q", lines)
	}
}
