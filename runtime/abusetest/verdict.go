package abusetest

import (
	"fmt"
	"strings"
	"time"
)

// Windows are what the bystander saw, with hostile guests at work and without,
// in turns.
type Windows struct {
	Quiet, Attack []Latencies
}

// Add adds what was seen in one pair of windows.
func (w *Windows) Add(quiet, attack Latencies) {
	w.Quiet, w.Attack = append(w.Quiet, quiet), append(w.Attack, attack)
}

// P99 are the medians of the windows' p99.
func (w *Windows) P99() (quiet, attack time.Duration) {
	return medianOf(w.Quiet, Latencies.P99), medianOf(w.Attack, Latencies.P99)
}

// Max are the largest latencies of all windows.
func (w *Windows) Max() (quiet, attack time.Duration) {
	for i := range w.Quiet {
		quiet, attack = max(quiet, w.Quiet[i].Max()), max(attack, w.Attack[i].Max())
	}
	return quiet, attack
}

// Unsteady reports whether the machine was too busy with other things for a
// judgement: the p99 of the quiet windows differ more than twofold, or one of
// them has a latency that is too long by itself.
func (w *Windows) Unsteady(longest time.Duration) bool {
	p99 := each(w.Quiet, Latencies.P99)
	quiet, _ := w.Max()
	return p99.Max() > 2*p99.At(0) || quiet > longest
}

// Most is what the median of the attack windows' p99 may be: a fifth and five
// milliseconds above that of the quiet ones.
func (w *Windows) Most() time.Duration {
	quiet, _ := w.P99()
	return quiet + quiet/5 + 5*time.Millisecond
}

// String shows every window.
func (w *Windows) String() string {
	var b strings.Builder
	for i := range w.Quiet {
		fmt.Fprintf(&b, "  %2d quiet  %s\n     attack %s\n", i+1, w.Quiet[i], w.Attack[i])
	}
	quiet, attack := w.P99()
	longest, longestAttack := w.Max()
	fmt.Fprintf(&b, "  median of p99: quiet %s, attack %s, at most %s; max: quiet %s, attack %s",
		Millis(quiet), Millis(attack), Millis(w.Most()), Millis(longest), Millis(longestAttack))
	return b.String()
}

func each(all []Latencies, of func(Latencies) time.Duration) Latencies {
	var out []time.Duration
	for _, l := range all {
		out = append(out, of(l))
	}
	return Sorted(out)
}

func medianOf(all []Latencies, of func(Latencies) time.Duration) time.Duration {
	return each(all, of).Median()
}

// Figure is one row of the table that a run ends with.
type Figure struct {
	Case, What, Target, Measured string
	Met                          bool
}

// Table lays figures out in Markdown.
func Table(all []Figure) string {
	var b strings.Builder
	b.WriteString("| case | what | target | measured | met |\n|---|---|---|---|---|\n")
	for _, f := range all {
		met := "yes"
		if !f.Met {
			met = "NO"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.Case, f.What, f.Target, f.Measured, met)
	}
	return b.String()
}
