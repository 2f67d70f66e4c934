package abi

// SerialFraming says how a serial port's bytes are cut into frames.
type SerialFraming uint32

// The framings.
const (
	SerialDelimited SerialFraming = iota // a frame ends with Delimiter, which is part of it
	SerialFixed                          // all frames are FrameLength bytes long
	SerialPrefixed                       // a field of a frame tells its length
	SerialGap                            // silence ends a frame (InterByteTimeoutMS, else 3.5 characters)
	SerialSLIP                           // RFC 1055; frames come and go without their escapes
	SerialRaw                            // there are no frames: the guest reads
)

// The checks that a fixed or prefixed frame may end with, over all bytes before.
const (
	SerialSum8  = "sum8"  // one byte, the sum of the others
	SerialXor8  = "xor8"  // one byte, the exclusive or of the others
	SerialCRC16 = "crc16" // two bytes, low byte first, CRC-16/MODBUS
)

// SerialExpect tells the length of the frame that a byte of it announces: the
// one whose byte At, masked, is Value. A Mask of 0 fits every frame.
type SerialExpect struct {
	At     uint32
	Mask   uint32
	Value  uint32
	Length uint32
}

// SerialTransact is the request of snaprail:serial transact; SerialReply is its
// reply.
type SerialTransact struct {
	Handle    uint32
	Data      []byte
	Frames    uint32 // how many are awaited; 0: none, the request is for everybody
	TimeoutMS uint64 // for all of them, from when the request has left; 0: the port's ReadTimeoutMS
	Urgent    bool   // goes before those that are not
	// Expect ends a frame without waiting for silence. The first that fits counts.
	Expect []SerialExpect
}

// SerialFrame is a frame, and when its last byte was read, unix ns.
type SerialFrame struct {
	Data []byte
	Time int64
}

// SerialReply is the reply of snaprail:serial transact.
type SerialReply struct {
	Frames []SerialFrame
}

// SerialRead is the request of snaprail:serial read and read_until; SerialData is
// their reply.
type SerialRead struct {
	Handle    uint32
	Size      uint32  // how many bytes are wanted, or the most; 0: 1, with Until as many as there may be
	TimeoutMS *uint64 // nil: the port's ReadTimeoutMS
	Until     []byte  // read_until: what ends the wait, and is part of what is read; none: Delimiter
}

// SerialData is what was read: less than was asked for after a timeout.
type SerialData struct {
	Data []byte
}

// SerialSignals is the reply of snaprail:serial signals: the modem lines that
// the other end drives.
type SerialSignals struct {
	CTS, DSR, RI, DCD bool
}

// SerialSignal is the request of snaprail:serial set_signals: the modem lines
// that this end drives. nil: as it is.
type SerialSignal struct {
	Handle   uint32
	DTR, RTS *bool
}

// SerialBreak is the request of snaprail:serial break.
type SerialBreak struct {
	Handle     uint32
	DurationMS uint64 // 0: 250
}

// SerialPort is a port of the machine.
type SerialPort struct {
	Path    string // "/dev/ttyUSB0"
	ByID    string // the link in /dev/serial/by-id, which stays when ports are numbered anew
	ByPath  string // the link in /dev/serial/by-path, which stays with the socket
	Driver  string
	Vendor  string // of a USB device, four hex digits
	Product string
	Serial  string // its serial number
	Name    string // what it calls itself
}

// SerialPorts is the reply of snaprail:serial list.
type SerialPorts struct {
	Ports []SerialPort
}
