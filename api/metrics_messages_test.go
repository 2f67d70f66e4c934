package api

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// TestFiguresOfMessages: each end of a message and each refusal of a reply has
// its figure, and a connector that nobody spoke to has none.
func TestFiguresOfMessages(t *testing.T) {
	figuresFor := func(n *lifecycle.Messages) map[string]float64 {
		to := make(chan prometheus.Metric, 64)
		figures{to}.messages(&control.ConnectorStats{Tenant: "plant", Connector: "con_1", Status: lifecycle.Status{Messages: n}})
		close(to)
		all := map[string]float64{}
		for m := range to {
			var d dto.Metric
			if err := m.Write(&d); err != nil {
				t.Fatal(err)
			}
			all[labels(&d)] = d.GetCounter().GetValue() + d.GetGauge().GetValue()
		}
		return all
	}
	if got := figuresFor(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
	got := figuresFor(&lifecycle.Messages{
		Open: 1, Answered: 2, Delivered: 3, Failed: 4, TimedOut: 5, GivenUp: 6, Slow: 7, Refused: 8, Unknown: 9,
		Unasked: 10, Late: 11, Ended: 12, Malformed: 13,
	})
	for label, want := range map[string]float64{
		"": 1, "outcome=answered": 2, "outcome=delivered": 3, "outcome=failed": 4, "outcome=timed_out": 5, "outcome=given_up": 6,
		"outcome=slow_reader": 7, "outcome=refused": 8, "outcome=device_unknown": 9,
		"reason=not_a_query": 10, "reason=late_reply": 11, "reason=reply_ended": 12, "reason=invalid_message": 13,
	} {
		key := "connector=con_1,tenant=plant"
		if label != "" {
			key = "connector=con_1," + label + ",tenant=plant"
		}
		if got[key] != want {
			t.Errorf("%s: %v, want %v", key, got[key], want)
		}
	}
	if len(got) != 13 {
		t.Errorf("%d figures: %v", len(got), got)
	}
}
