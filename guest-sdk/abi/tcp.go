package abi

// TCPOpen is the request of snaprail:tcp open; Handle is its reply. The fields in
// PEM of TLS may be a secret of the connector, named with SecretPrefix, which the
// guest never sees.
type TCPOpen struct {
	Address string   // host:port
	TLS     *HTTPTLS // nil: none
	Framing *Framing // nil: bytes as they come
	// Pull keeps what is received for read, and it is not told by events.
	Pull bool
	// Background answers open before there is a connection: EventUp tells of it.
	Background bool

	OpenTimeoutMS  uint64 // until the peer accepts; 0: 10 s
	WriteTimeoutMS uint64 // of one write; 0: the call's deadline alone
	// IdleTimeoutMS is how long the peer may say nothing before the connection
	// counts as lost; 0: for ever.
	IdleTimeoutMS uint64
	KeepAliveMS   uint64 // of silence, before the system asks whether the peer is there; 0: 15 s
	Delay         bool   // let the system gather small writes
	RetryMS       uint64 // before the first attempt to connect again; 0: 100 ms
	MaxRetryMS    uint64 // it is doubled up to this; 0: 10 s
	BufferBytes   uint64 // of what is received and not acknowledged; 0: 1 MiB, which is the most
}

// TCPWrite is the request of snaprail:tcp write; TCPWritten is its reply.
type TCPWrite struct {
	Handle uint32
	Data   []byte
}

// TCPWritten is the reply of snaprail:tcp write.
type TCPWritten struct {
	Count uint32 // bytes, or datagrams
}

// TCPRead is the request of snaprail:tcp read, of a session with Pull; TCPData is
// its reply: the next frame or, without framing, what there is, up to Max bytes
// and, with Until, up to and including its first occurrence.
type TCPRead struct {
	Handle    uint32
	Max       uint32 // 0: 64 KiB
	Until     []byte
	TimeoutMS uint64 // 0: as long as the call may take
}

// TCPTransact is the request of snaprail:tcp transact: write, and wait for the
// frame that comes next, which is then told by no event. TCPData is its reply.
type TCPTransact struct {
	Handle    uint32
	Data      []byte
	TimeoutMS uint64 // 0: as long as the call may take
}

// TCPData is a frame, or what there is.
type TCPData struct {
	Data []byte
	Time int64 // when the host saw its last byte, unix ns
}

// UDPOpen is the request of snaprail:udp open; Handle is its reply. What the peer
// sends, and nobody else, comes as the data of events, one datagram each.
type UDPOpen struct {
	Address     string // host:port of the peer
	MaxDatagram uint32 // bytes that are received; a longer one is dropped; 0: 1472
	BufferBytes uint64 // of what is received and not acknowledged; 0: 1 MiB, which is the most
}

// UDPSend is the request of snaprail:udp send: datagrams, each on its own. UDPSent
// is its reply.
type UDPSend struct {
	Handle    uint32
	Datagrams [][]byte
}

// UDPSent is the reply of snaprail:udp send: how many datagrams were.
type UDPSent struct {
	Count uint32
}
