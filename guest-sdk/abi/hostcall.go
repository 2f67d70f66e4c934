package abi

// The requests and replies of the host functions. Field 1 of every request to
// an opened session is its handle, so that the host finds the session without
// knowing the group.

// Handle is the reply of a group's open function.
type Handle struct {
	Handle uint32
}

// Receive is the request of snaprail:core receive; Events is its reply.
type Receive struct {
	TimeoutMS uint64
}

// Emitted is the reply of snaprail:core emit, whose request is an Outcome.
type Emitted struct {
	Sequence uint64 // of the block that holds the outcome
}

// Health is the request of snaprail:core health: what the guest says of itself.
// The host adds its own checks; it has no reply.
type Health struct {
	State HealthState
}

// HealthState is what a guest says of its health.
type HealthState uint32

// The states of health.
const (
	HealthUndeclared HealthState = iota // nothing was said yet
	HealthHealthy
	HealthUnhealthy
)

// LogLevel is the weight of a log line.
type LogLevel uint32

// The log levels.
const (
	LogDebug LogLevel = iota
	LogInfo
	LogWarning
	LogError
	LogCritical
)

// LogLine is the request of snaprail:log write.
type LogLine struct {
	Level  LogLevel
	Target string
	Text   string
}

// ClockNow is the reply of snaprail:clock now.
type ClockNow struct {
	UnixNS      int64
	MonotonicNS int64
}

// ClockSleep is the request of snaprail:clock sleep.
type ClockSleep struct {
	NS uint64
}

// KVKey is the request of snaprail:kv get; KVValue is its reply.
type KVKey struct {
	Key string
}

// KVValue is the reply of snaprail:kv get.
type KVValue struct {
	Found bool
	Value []byte
}

// KVPut is the request of snaprail:kv put.
type KVPut struct {
	Key    string
	Value  []byte
	Delete bool
}

// SerialOpen is the request of snaprail:serial open; Handle is its reply. The
// fields follow pyserial's names and defaults where those are standard.
type SerialOpen struct {
	Port               string
	BaudRate           uint32
	DataBits           uint32
	Parity             string // N, E, O, M, S
	StopBitsX2         uint32 // 2, 3, 4: 1, 1.5 and 2 stop bits
	ReadTimeoutMS      uint64
	XonXoff            bool
	RTSCTS             bool
	WriteTimeoutMS     *uint64 // nil: the call's deadline alone
	DSRDTR             bool
	InterByteTimeoutMS *uint64 // nil: none
	Exclusive          *bool   // nil: the platform's default
	Delimiter          []byte  // ends a frame, and is part of it
	MaxFrame           uint32  // bytes; a longer frame is dropped and counted
	OpenTimeoutMS      uint64
	OpenRetryMS        uint64
	Framing            SerialFraming
	FrameLength        uint32 // SerialFixed: bytes of a frame
	// SerialPrefixed: at which byte the length stands, in how many (1, 2 or 4), and
	// what has to be added to it to get the bytes of the whole frame.
	LengthAt     uint32
	LengthSize   uint32
	LengthLittle bool
	LengthAdds   int64
	Start        []byte // SerialFixed, SerialPrefixed: what every frame begins with
	Check        string // SerialFixed, SerialPrefixed: what every frame ends with; none: nothing
	// Shared lets several lanes of the connector use the port by turns, each turn
	// being one transact. Nothing else of the line reaches them.
	Shared       bool
	TurnaroundMS *uint64 // silence before a transact writes; nil: 3.5 characters
}

// SerialWrite is the request of snaprail:serial write.
type SerialWrite struct {
	Handle uint32
	Data   []byte
}

// SerialWritten is the reply of snaprail:serial write.
type SerialWritten struct {
	Count uint32
}

// FileOpen is the request of snaprail:file open; Handle is its reply.
type FileOpen struct {
	Path string
}

// FileRead is the request of snaprail:file read; FileData is its reply.
type FileRead struct {
	Handle uint32
	Offset uint64
	Max    uint32
}

// FileData is what stands in a file from the asked offset on.
type FileData struct {
	Data []byte
	Size uint64 // of the file when it was read
}
