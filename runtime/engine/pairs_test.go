package engine_test

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The shape of a comparison: each side works for a window in each round, and
// the sides take turns, so that what else the machine does hits all of them.
// Many short windows see more of a quiet machine than a few long ones.
const (
	rounds = 75
	window = 3 * time.Millisecond
	few    = 11 // of what takes longer than a window
)

// side is one of several ways to do the same work.
type side struct {
	name string
	// units is how many records or rounds of a loop are in one run.
	units int
	run   func() error
}

// times are what the sides of a comparison took, by side and round, in ns a
// unit.
type times map[string][]float64

// compare measures sides against each other.
func compare(b *testing.B, sides ...side) times {
	b.Helper()
	all := make(times, len(sides))
	runs := make([]int, len(sides))
	for i, s := range sides {
		runs[i] = calibrate(b, s)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		for _, i := range random.Perm(len(sides)) { // so that none keeps step with something else
			took := timed(b, sides[i], runs[i])
			all[sides[i].name] = append(all[sides[i].name], took.Seconds()*1e9/float64(runs[i]*sides[i].units))
		}
	}
	return all
}

// calibrate warms a side up and answers how many runs fill a window.
func calibrate(b *testing.B, s side) int {
	b.Helper()
	for n := 1; ; n *= 2 {
		if took := timed(b, s, n); took > window/4 {
			return max(1, int(float64(n)*window.Seconds()/took.Seconds()))
		}
	}
}

func timed(b *testing.B, s side, n int) time.Duration {
	b.Helper()
	began := time.Now()
	for range n {
		if err := s.run(); err != nil {
			b.Fatalf("%s: %v", s.name, err)
		}
	}
	return time.Since(began)
}

// spread is the median of some measurements, and within what eight of ten lie.
type spread struct{ median, low, high float64 }

func spreadOf(all []float64) spread {
	sorted := slices.Sorted(slices.Values(all))
	return spread{sorted[len(sorted)/2], sorted[len(sorted)/10], sorted[len(sorted)-1-len(sorted)/10]}
}

// noisy reports whether what was measured differs more than twofold: then a
// goal is neither reached nor missed for sure.
func (s spread) noisy() bool { return s.high > 2*s.low && s.low > 0 }

func (s spread) String() string {
	return fmt.Sprintf("%s [%s..%s]", short(s.median), short(s.low), short(s.high))
}

// short is a number with three digits that count.
func short(v float64) string {
	if v == 0 || math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.*f", 2-int(math.Floor(math.Log10(math.Abs(v)))), v)
}

// ratio divides round by round: both have seen the same noise.
func (t times) ratio(a, b string) spread {
	all := make([]float64, rounds)
	for i := range all {
		all[i] = t[a][i] / t[b][i]
	}
	return spreadOf(all)
}

// absolute are the times of the sides, as one cell of the table.
func (t times) absolute(sides ...string) string {
	cells := make([]string, len(sides))
	for i, s := range sides {
		cells[i] = s + " " + spreadOf(t[s]).String()
	}
	return strings.Join(cells, ", ") + " ns"
}

// goal is a row of the table: what is wanted, and what came out.
type goal struct {
	what, wanted, got, verdict, beside string
}

// atMost and atLeast judge by the median.
func atMost(what string, bound float64, unit string, got spread, beside string) goal {
	return judged(what, "≤ "+short(bound)+unit, got.median <= bound, unit, got, beside)
}

func atLeast(what string, bound float64, unit string, got spread, beside string) goal {
	return judged(what, "≥ "+short(bound)+unit, got.median >= bound, unit, got, beside)
}

func judged(what, wanted string, reached bool, unit string, got spread, beside string) goal {
	verdict := "missed"
	if reached {
		verdict = "reached"
	}
	if got.noisy() {
		verdict += ", noisy"
	}
	return goal{what, wanted, got.String() + unit, verdict, beside}
}

// figure is a row without a goal.
func figure(what string, got spread, unit, beside string) goal {
	return goal{what, "", got.String() + unit, "", beside}
}

// elsewhere is a row that is measured by something else.
func elsewhere(what, wanted, where string) goal { return goal{what, wanted, "", "", where} }

// printTable writes the table.
func printTable(w io.Writer, rows []goal) {
	cells := [][]string{{"what", "goal", "median [p10..p90]", "verdict", "absolute"}}
	for _, r := range rows {
		cells = append(cells, []string{r.what, r.wanted, r.got, r.verdict, r.beside})
	}
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range cells {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}
