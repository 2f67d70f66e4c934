package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

func (a *app) printConnectors(list []client.Connector) {
	rows := make([][]string, len(list))
	for i, v := range list {
		s := statusOf(v)
		rows[i] = []string{
			v.Name, v.ID, string(s.State), strconv.FormatUint(s.Counters.Records, 10),
			when(s.Counters.LastRecord), deliveredText(&s.Delivery), orDash(s.Reason),
		}
	}
	a.rows([]string{"NAME", "ID", "STATE", "RECORDS", "LAST RECORD", "DELIVERED", "REASON"}, rows)
}

// deliveredText is what a sink has done, and has before it; of others a dash.
func deliveredText(d *lifecycle.Delivery) string {
	if *d == (lifecycle.Delivery{}) {
		return "-"
	}
	text := strconv.FormatUint(d.Delivered, 10)
	if d.Waiting > 0 {
		text += ", " + waitingText(d)
	}
	return text
}

// waitingText is how far a sink is behind.
func waitingText(d *lifecycle.Delivery) string {
	about := ""
	if d.About {
		about = "about "
	}
	return fmt.Sprintf("%s%d behind", about, d.Waiting)
}

// statusOf is what a connector does; a server that does not say is taken for
// one that has not started it.
func statusOf(v client.Connector) lifecycle.Status {
	if v.Runtime == nil {
		return lifecycle.Status{State: lifecycle.Draft}
	}
	return *v.Runtime
}

func (a *app) printConnector(v client.Connector) {
	rows := [][]string{
		{"name", v.Name},
		{"id", v.ID},
		{"type", orDash(strings.Trim(v.Category+"/"+v.ProviderType, "/"))},
		{"module", v.Module},
	}
	if v.Remote {
		rows[len(rows)-1] = []string{"module", "none: its code attaches from outside"}
	}
	if v.Set != "" {
		rows = append(rows, []string{"set", v.Set})
	}
	if v.Converter != nil {
		rows = append(rows, []string{"converter", v.Converter.Module})
	}
	if f := v.Feed; !f.Same(&spec.Feed{}) {
		from := "all other connectors"
		if len(f.From) > 0 {
			from = strings.Join(f.From, ", ")
		}
		rows = append(rows, []string{"feed", "from " + from + "; start " + string(cmp.Or(f.Start, spec.FeedNow))})
	}
	rows = append(rows,
		[]string{"enabled", strconv.FormatBool(v.Enabled())},
		[]string{"default", strconv.FormatBool(v.Default())},
		[]string{"last test", strings.TrimSuffix(string(v.Status)+": "+v.StatusMessage, ": ")},
		[]string{"tested", when(v.LastTestedAt)},
		[]string{"created", when(v.Created)},
		[]string{"updated", when(v.Updated)},
		[]string{"revision", strconv.FormatUint(v.Revision, 10)})
	for _, g := range v.Grants {
		rows = append(rows, []string{"grant", strings.TrimSpace(g.Group + " " + rightsText(g) + " " + strings.Join(g.Resources, " "))})
		rows = append(rows, []string{"", "by " + orDash(g.GrantedBy) + " at " + when(g.GrantedAt) + because(g.Reason)})
	}
	for _, w := range v.Warnings {
		rows = append(rows, []string{"warning", w})
	}
	for _, p := range v.Params {
		rows = append(rows, []string{"param", p.Key + " = " + paramText(p)})
	}
	a.rows(nil, rows)
	if len(v.Config) > 0 {
		fmt.Fprintf(a.out, "config\n%s\n", indented(v.Config))
	}
	fmt.Fprintln(a.out)
	a.printStatus(v)
}

func (a *app) printStatus(v client.Connector) {
	s := statusOf(v)
	c := s.Counters
	state := string(s.State)
	if !s.Since.IsZero() {
		state += " since " + when(s.Since)
	}
	rows := [][]string{
		{"state", state},
		{"reason", orDash(s.Reason)},
	}
	if s.Reason != "" && s.Try != "" {
		rows = append(rows, []string{"try", s.Try})
	}
	rows = append(rows, [][]string{
		{"generation", fmt.Sprintf("%d (%d restarts, %d swaps)", s.Generation, s.Restarts, s.Swaps)},
		{"records", fmt.Sprintf("%d (from %d events; %d skipped, %d quarantined, %d gaps)", c.Records, c.Events, c.Skipped, c.Quarantined, c.Gaps)},
		{"last record", when(c.LastRecord)},
		{"guest", fmt.Sprintf("%s of memory, %d traps, %d denied calls", size(int64(s.MemoryBytes)), c.Traps, c.Denied)}, //nolint:gosec // at most 4 GiB
	}...)
	if d := s.Delivery; d != (lifecycle.Delivery{}) {
		rows = append(rows, deliveryRows(&d, time.Now())...)
	}
	if r := s.LastRefused; r != nil {
		rows = append(rows, []string{"last refused", strings.TrimRight(when(r.At)+" "+strings.TrimRight(r.Reason, ": ")+of(r.Device), " ")})
	}
	if m := s.Messages; m != nil {
		rows = append(rows, []string{"messages", fmt.Sprintf("%d (%d answered, %d delivered, %d timed out, %d failed, %d open); %d replies refused",
			m.Asked, m.Answered, m.Delivered, m.TimedOut, m.Failed, m.Open, m.Unasked+m.Late+m.Ended+m.Malformed)})
	}
	for _, session := range s.Sessions {
		rows = append(rows, []string{"session", sessionLine(session)})
		for _, name := range sortedKeys(session.Counts) {
			rows = append(rows, []string{"", strings.ReplaceAll(name, "_", " ") + ": " + strconv.FormatUint(session.Counts[name], 10)})
		}
	}
	for _, address := range v.Hooks {
		rows = append(rows, []string{"address", addressToEnter(strings.TrimRight(a.server, "/") + address)})
	}
	a.rows(nil, rows)
	a.printLimits("LIMIT OF THE GUEST", s.Limits)
	a.printLimits("LIMIT OF THE CONVERTER", s.ConverterLimits)
}

// addressToEnter is an address as one may enter it at a service: two stars at its end
// are all below it.
func addressToEnter(pattern string) string {
	if address, ok := strings.CutSuffix(pattern, "**"); ok {
		return address + " (and all below it)"
	}
	return pattern
}

// deliveryRows are the figures of a connector that delivers.
func deliveryRows(d *lifecycle.Delivery, now time.Time) [][]string {
	behind := waitingText(d)
	if !d.Oldest.IsZero() {
		behind += ", the oldest for " + now.Sub(d.Oldest).Round(time.Second).String()
	}
	rows := [][]string{
		{"delivered", fmt.Sprintf("%d (%d tries again); %s", d.Delivered, d.Retried, behind)},
		{"last delivery", when(d.Last)},
	}
	if d.Missed > 0 {
		rows = append(rows, []string{"missed", fmt.Sprintf("%d blocks that were beyond retention before they were delivered", d.Missed)})
	}
	return rows
}

func of(device string) string {
	if device == "" {
		return ""
	}
	return " (device " + device + ")"
}

func sessionLine(s lifecycle.Session) string {
	state := "up"
	if !s.Up {
		state = strings.TrimSuffix("down: "+strings.TrimPrefix(s.Reason, s.Resource+": "), ": ") // it stands before it
	}
	return fmt.Sprintf("%s %s %s (%s; %s)", s.Group, s.Resource, state, counted(s.Opens, "opened once", "opened %d times"),
		counted(s.Dropped, "1 event lost", "%d events lost"))
}

// counted is a number in words, which are others for one.
func counted(n uint64, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// printTest shows how a test ended. Why it failed is the command's error, and is not
// said here as well.
func (a *app) printTest(r client.TestResult) {
	rows := [][]string{{"test", "failed"}}
	if r.Success {
		rows = [][]string{{"test", "passed"}, {"message", orDash(r.Message)}}
	}
	rows = append(rows, []string{"took", time.Duration(r.LatencyMS * float64(time.Millisecond)).Round(time.Microsecond).String()})
	for _, name := range sortedKeys(r.Details) {
		switch {
		case name == "latency_ms": // it is what it took
		case name == "hint" && !r.Success: // it is what to try
		default:
			rows = append(rows, []string{name, fmt.Sprint(r.Details[name])})
		}
	}
	a.rows(nil, rows)
}
