package abi

// Kind says what a record is.
type Kind uint32

// The kinds of records. KindGap is the host's alone: a guest that emits one
// is refused.
const (
	KindTelemetry Kind = iota
	KindAttributes
	KindEvent
	KindGap
)

// String is the kind's name, by which sinks, topics and the API call it.
func (k Kind) String() string {
	switch k {
	case KindTelemetry:
		return "telemetry"
	case KindAttributes:
		return "attributes"
	case KindEvent:
		return "event"
	case KindGap:
		return "gap"
	}
	return "unknown"
}

// Batch is what travels north in one crossing. On the wire its names are held
// once in tables; here each record carries its own strings, which share memory
// between records of one batch.
//
// A Batch may be decoded into and encoded again and again; it then reuses its
// memory, and allocates nothing once it has seen the names.
type Batch struct {
	Records []Record

	enc encoder
	dec decoder
}

// Record is one reading, change of attributes or event of one device.
type Record struct {
	Device      string
	Kind        Kind
	Time        int64 // device time, unix ns
	ContentType string
	Payload     []byte
	Points      []Point
	Key         []byte
	Headers     []Header
	// SourceKey is the source's name for it. A repeat among the newest 4,096 keys
	// of the lane is left out and counted; after a restart of the server those are
	// known that stand in the lane's last block, and in the 4,096 blocks of the outbox
	// before it, as converters left them.
	SourceKey string
}

// Header is a name with a value.
type Header struct {
	Name  string
	Value []byte
}

// Point is one value of a device.
type Point struct {
	Name       string
	Unit       string // UCUM code
	Value      Value
	Quality    uint32 // OPC UA StatusCode (Part 4, 7.39); 0 is Good
	SourceTime int64  // unix ns; 0, and what is read for the same time: the record's
}
