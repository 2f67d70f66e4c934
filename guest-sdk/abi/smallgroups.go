package abi

// RandomRead is the request of snaprail:random read; RandomBytes is its reply.
type RandomRead struct {
	Count uint32
}

// RandomBytes are bytes from the system's source of randomness.
type RandomBytes struct {
	Data []byte
}

// MetricKind says what a metric counts.
type MetricKind uint32

// The kinds of metrics.
const (
	MetricCounter   MetricKind = iota // Value is added, and is not negative
	MetricGauge                       // Value takes the place of the one before
	MetricHistogram                   // Value is observed
)

// Metric is one change of one series of a guest's metrics.
type Metric struct {
	Name   string // as in frames_read: the host puts what is the guest's in front
	Kind   MetricKind
	Help   string // one sentence; that of the first change counts
	Labels []Header
	Value  float64
	// The upper bounds of a histogram: BucketCount of them, the first BucketStart,
	// each BucketFactor times the one before. BucketCount 0: the host's own.
	BucketStart  float64
	BucketFactor float64
	BucketCount  uint32
}

// MetricsRecord is the request of snaprail:metrics record. It has no reply.
type MetricsRecord struct {
	Metrics []Metric
}

// Severity is the weight of a notification.
type Severity uint32

// The severities.
const (
	SeverityInfo Severity = iota
	SeverityWarning
	SeverityError
	SeverityCritical
)

// NotifySend is the request of snaprail:notify send. It has no reply: the
// notification is told with the records of the step, or not at all.
type NotifySend struct {
	Severity Severity
	Title    string // one line
	Text     string
	// Key names what it is about, as in "pump1/overheated": a later one with the
	// same key takes its place. Empty: the title.
	Key string
}

// FilesList is the request of snaprail:files list; FilePage is its reply.
type FilesList struct {
	After string // the last name of the page before
	Limit uint32 // 0: 256, which is the most
}

// FilePage is a page of files, by name.
type FilePage struct {
	Files []FileInfo
	More  bool
}

// FileInfo is what there is to know of a file.
type FileInfo struct {
	Name        string // of the parameter that holds it
	Size        uint64
	ContentType string
	SHA256      string // of its content, in hex
}

// FilesStat is the request of snaprail:files stat; FileInfo is its reply.
type FilesStat struct {
	Name string
}

// FilesRead is the request of snaprail:files read; FileData is its reply.
type FilesRead struct {
	Name   string
	Offset uint64
	Max    uint32 // 0: 512 KiB, which is the most
}
