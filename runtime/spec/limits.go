package spec

import (
	"cmp"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Limits bound what one guest may use. A zero field means the default of
// LimitTable, or the tenant's ceiling where that is lower; see Under. The
// ranges of all fields are in LimitTable.
type Limits struct {
	// MemoryBytes is the most that the linear memory may grow to. It is
	// reserved, and charged to the tenant, for as long as the guest lives.
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	// TableEntries is the most that a table of functions may grow to.
	TableEntries uint64 `json:"table_entries,omitempty"`
	// StackWords is the depth of the calls in 8-byte words: parameters, locals
	// and operands of all functions that have not returned.
	StackWords uint64 `json:"stack_words,omitempty"`
	// CallTimeout is how long an entry point may take that Timeouts does not
	// name.
	CallTimeout Duration `json:"call_timeout,omitempty"`
	// OpenTimeout is how long open may take; test may take as long.
	OpenTimeout Duration `json:"open_timeout,omitempty"`
	// Timeouts take the place of CallTimeout by entry point; TimedEntries are
	// the names that it may hold.
	Timeouts map[string]Duration `json:"timeouts,omitempty"`
	// OutputBytes is the most that one entry point may answer.
	OutputBytes uint64 `json:"output_bytes,omitempty"`
	// OutputRecords is the most records that one outcome may hold.
	OutputRecords uint64 `json:"output_records,omitempty"`
	// HostCallsPerSecond counts the calls of all groups together.
	HostCallsPerSecond uint64 `json:"host_calls_per_second,omitempty"`
	// HostBytesPerSecond counts the bytes of requests and replies of all
	// groups together.
	HostBytesPerSecond uint64 `json:"host_bytes_per_second,omitempty"`
	// LogLinesPerSecond counts the lines that go to the log: those of the log
	// group, stdout and stderr.
	LogLinesPerSecond uint64 `json:"log_lines_per_second,omitempty"`
	// KVBytes is the most that the connector's state may hold, keys and values
	// together.
	KVBytes          uint64 `json:"kv_bytes,omitempty"`
	KVCallsPerSecond uint64 `json:"kv_calls_per_second,omitempty"`
	// HTTPInFlight is how many requests all guests of the connector may have
	// under way at once.
	HTTPInFlight uint64 `json:"http_in_flight,omitempty"`
	// CPU is the guest's share of the processor in cores, in the long run. As
	// many as the machine has, or more, are no bound.
	CPU float64 `json:"cpu,omitempty"`
}

// Ceiling is the most that a tenant may have. Zero fields mean the next one's
// word: the tenant's, the server's, and at last the hard maximum.
type Ceiling struct {
	// Connector bounds the limits of each connector and of each converter.
	// Its CallTimeout bounds Timeouts as well; its own Timeouts are not used.
	Connector Limits `json:"connector,omitzero"`
	// MemoryBytes bounds what all guests of the tenant have reserved together;
	// 0: nothing does.
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	// CPU is the share in cores of all guests of the tenant together; 0: none
	// is set.
	CPU float64 `json:"cpu,omitempty"`
	// Quota bounds what the tenant may have of other things.
	Quota Quota `json:"quota,omitzero"`
	// Grantable is what the tenant's users may grant; nil: the server's word.
	Grantable []Grant `json:"grantable,omitempty"`
}

// Quota bounds how much a tenant may keep and ask for. A zero field means the
// server's default.
type Quota struct {
	Connectors        uint64 `json:"connectors,omitempty"`
	Modules           uint64 `json:"modules,omitempty"`
	ModuleBytes       uint64 `json:"module_bytes,omitempty"`        // of all modules together
	RequestsPerMinute uint64 `json:"requests_per_minute,omitempty"` // to the API
	ChangesPerMinute  uint64 `json:"changes_per_minute,omitempty"`  // of those, the ones that change something
}

// The names of the limits, as they stand in JSON, in status and in metrics.
const (
	LimitMemory        = "memory_bytes"
	LimitTableEntries  = "table_entries"
	LimitStack         = "stack_words"
	LimitCall          = "call_timeout"
	LimitOpen          = "open_timeout"
	LimitOutputBytes   = "output_bytes"
	LimitOutputRecords = "output_records"
	LimitHostCalls     = "host_calls_per_second"
	LimitHostBytes     = "host_bytes_per_second"
	LimitLogLines      = "log_lines_per_second"
	LimitKVBytes       = "kv_bytes"
	LimitKVCalls       = "kv_calls_per_second"
	LimitHTTP          = "http_in_flight"
	LimitCPU           = "cpu"
)

// Unit is what a limit is counted in.
type Unit string

// The units.
const (
	Bytes          Unit = "bytes"
	Entries        Unit = "entries"
	Words          Unit = "words"
	Seconds        Unit = "seconds"
	Records        Unit = "records"
	CallsPerSecond Unit = "calls/s"
	BytesPerSecond Unit = "bytes/s"
	LinesPerSecond Unit = "lines/s"
	Requests       Unit = "requests"
	Cores          Unit = "cores"
)

// Limit is one row of LimitTable. Amounts are in the limit's unit; durations
// are in seconds.
type Limit struct {
	Name     string
	Unit     Unit
	Sentence string // what it bounds: "linear memory"
	Default  float64
	Min, Max float64 // the hard range, whatever the tenant's ceiling
	// Burst is, for a rate, how many seconds' worth may come at once.
	Burst float64

	get func(*Limits) float64
	set func(*Limits, float64)
}

// Of is the amount that l holds; 0: none is set.
func (d Limit) Of(l *Limits) float64 { return d.get(l) }

// Set puts an amount into l.
func (d Limit) Set(l *Limits, v float64) { d.set(l, v) }

// TimedEntries are the entry points that Timeouts may name. open has a limit
// of its own, and run, which a guest never leaves, has none.
func TimedEntries() []string {
	return []string{abi.EntryClose, abi.EntryConvert, abi.EntryOnEvents, abi.EntryPoll, abi.EntryTest}
}

// LimitTable lists all limits in the order in which they are shown.
func LimitTable() []Limit {
	const mib = 1 << 20
	return []Limit{
		count(LimitMemory, Bytes, "linear memory", 64*mib, mib, 1024*mib, 0, func(l *Limits) *uint64 { return &l.MemoryBytes }),
		count(LimitTableEntries, Entries, "entries of a table of functions", 65_536, 1, 65_536, 0, func(l *Limits) *uint64 { return &l.TableEntries }),
		count(LimitStack, Words, "depth of calls", 32_768, 1_024, 131_072, 0, func(l *Limits) *uint64 { return &l.StackWords }),
		duration(LimitCall, "time for a call", 5*time.Second, func(l *Limits) *Duration { return &l.CallTimeout }),
		// open leaves a port the ten seconds that it may take.
		duration(LimitOpen, "time for open and test", 15*time.Second, func(l *Limits) *Duration { return &l.OpenTimeout }),
		count(LimitOutputBytes, Bytes, "bytes of one answer", abi.MaxBatch+64<<10, 4<<10, abi.MaxBatch+64<<10, 0, func(l *Limits) *uint64 { return &l.OutputBytes }),
		count(LimitOutputRecords, Records, "records of one outcome", abi.MaxItems, 1, abi.MaxItems, 0, func(l *Limits) *uint64 { return &l.OutputRecords }),
		count(LimitHostCalls, CallsPerSecond, "calls to the host", 50_000, 1, 1_000_000, 2, func(l *Limits) *uint64 { return &l.HostCallsPerSecond }),
		count(LimitHostBytes, BytesPerSecond, "bytes to and from the host", 64*mib, 4<<10, 1024*mib, 2, func(l *Limits) *uint64 { return &l.HostBytesPerSecond }),
		count(LimitLogLines, LinesPerSecond, "lines to the log", 100, 1, 10_000, 10, func(l *Limits) *uint64 { return &l.LogLinesPerSecond }),
		count(LimitKVBytes, Bytes, "state kept", 16*mib, 1<<10, 1024*mib, 0, func(l *Limits) *uint64 { return &l.KVBytes }),
		count(LimitKVCalls, CallsPerSecond, "calls for state", 2_000, 1, 100_000, 2, func(l *Limits) *uint64 { return &l.KVCallsPerSecond }),
		count(LimitHTTP, Requests, "HTTP requests at once", 6, 1, 1_000, 0, func(l *Limits) *uint64 { return &l.HTTPInFlight }),
		{
			Name: LimitCPU, Unit: Cores, Sentence: "share of the processor", Default: 64, Min: 0.01, Max: 64,
			get: func(l *Limits) float64 { return l.CPU }, set: func(l *Limits, v float64) { l.CPU = v },
		},
	}
}

func count(name string, unit Unit, sentence string, def, least, most, burst float64, field func(*Limits) *uint64) Limit {
	return Limit{
		Name: name, Unit: unit, Sentence: sentence, Default: def, Min: least, Max: most, Burst: burst,
		get: func(l *Limits) float64 { return float64(*field(l)) },
		set: func(l *Limits, v float64) { *field(l) = uint64(v) },
	}
}

func duration(name, sentence string, def time.Duration, field func(*Limits) *Duration) Limit {
	return Limit{
		Name: name, Unit: Seconds, Sentence: sentence,
		Default: def.Seconds(), Min: time.Millisecond.Seconds(), Max: (5 * time.Minute).Seconds(),
		get: func(l *Limits) float64 { return time.Duration(*field(l)).Seconds() },
		set: func(l *Limits, v float64) { *field(l) = Duration(v * float64(time.Second)) },
	}
}

// Most is the most that one connector under this ceiling may be given of a
// limit: what the ceiling says of connectors, and not more than all of them may
// have together.
func (c *Ceiling) Most(d Limit) float64 {
	most := d.Max
	for _, v := range []float64{d.Of(&c.Connector), c.whole(d.Name)} {
		if v > 0 {
			most = min(most, v)
		}
	}
	return most
}

// whole is what all guests of the tenant may have together of a limit; 0: it
// has no such bound.
func (c *Ceiling) whole(name string) float64 {
	switch name {
	case LimitMemory:
		return float64(c.MemoryBytes)
	case LimitCPU:
		return c.CPU
	}
	return 0
}

// Or is c with the fields that it does not set taken from another ceiling.
func (c Ceiling) Or(def Ceiling) Ceiling {
	for _, d := range LimitTable() {
		if d.Of(&c.Connector) == 0 {
			d.Set(&c.Connector, d.Of(&def.Connector))
		}
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = def.MemoryBytes
	}
	if c.CPU == 0 {
		c.CPU = def.CPU
	}
	c.Quota = c.Quota.Or(def.Quota)
	if c.Grantable == nil {
		c.Grantable = def.Grantable
	}
	return c
}

// Or is the quota with another's words where it has none of its own.
func (q Quota) Or(def Quota) Quota {
	return Quota{
		Connectors:        cmp.Or(q.Connectors, def.Connectors),
		Modules:           cmp.Or(q.Modules, def.Modules),
		ModuleBytes:       cmp.Or(q.ModuleBytes, def.ModuleBytes),
		RequestsPerMinute: cmp.Or(q.RequestsPerMinute, def.RequestsPerMinute),
		ChangesPerMinute:  cmp.Or(q.ChangesPerMinute, def.ChangesPerMinute),
	}
}

// Under is what a guest with these limits is held to: every field is set, with
// the default where there was none, and none is above the ceiling, which may
// have been lowered since the limits were accepted.
func (l Limits) Under(c Ceiling) Limits {
	for _, d := range LimitTable() {
		v := d.Of(&l)
		if v <= 0 {
			v = d.Default
		}
		d.Set(&l, min(max(v, d.Min), c.Most(d)))
	}
	timeouts := make(map[string]Duration, len(l.Timeouts))
	for entry, t := range l.Timeouts {
		if t > 0 && slices.Contains(TimedEntries(), entry) {
			timeouts[entry] = min(t, c.longest())
		}
	}
	l.Timeouts = timeouts
	return l
}

// longest is the most that Timeouts may hold.
func (c *Ceiling) longest() Duration {
	var most Limits
	for _, d := range LimitTable() {
		if d.Name == LimitCall {
			d.Set(&most, c.Most(d))
		}
	}
	return most.CallTimeout
}
