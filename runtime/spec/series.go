package spec

// Series is one series of a guest's metrics.
type Series struct {
	Name   string // as the guest calls it
	Help   string
	Kind   string // counter, gauge or histogram
	Labels []SeriesLabel
	Value  float64 // of a counter or a gauge; of a histogram: the sum
	// Of a histogram: how many values there were, and how many of them were no
	// greater than each bound.
	Count  uint64
	Bounds []float64
	Below  []uint64
}

// SeriesLabel is a label of a series.
type SeriesLabel struct {
	Name, Value string
}

// GuestSeries are the metrics of one connector's guests.
type GuestSeries struct {
	Series  []Series
	Dropped uint64 // changes that found no room for another series
}
