package outbox

import "github.com/snaprail/snaprail/guest-sdk/abi"

// Block is what one step of one connector commits, whole or not at all: the
// records, where the source stands after them, and the changes of state that
// go with them. The log is the commit (I1): nothing is acknowledged before its
// block is durable, and the store is brought up to it afterwards.
type Block struct {
	// Seq is the block's place in the tenant's log, counted from 1. Append
	// gives it.
	Seq uint64

	Connector string
	// Lane is the part of the connector that worked: "" where it has one, else
	// a device or an endpoint. Each lane has a state and epochs of its own.
	Lane string
	// Epoch counts the starts of the connector's lanes; First is the sequence of the
	// block's first record within the epoch. (Connector, Epoch, First+i) is
	// the key of record i for ever: no two lanes of a connector may have the
	// same epoch.
	Epoch uint64
	First uint64

	Received int64  // unix ns, when the host got the step's input
	Module   string // digest of the guest
	Revision uint64 // of the connector's spec

	Count   int    // records in Records
	Records []byte // encoded abi.Batches, as AppendBatch adds them; nil: none

	// Cursor is where the source stands after the step; nil: as before.
	Cursor []byte

	KV      []KV
	Devices []abi.DeviceChange
	Timers  []abi.Timer
	Rejects []Reject

	// Stopped marks the last block of an orderly stop: no gap follows it.
	Stopped bool
}

// KV is one staged write to the connector's state.
type KV struct {
	Key    string
	Value  []byte
	Delete bool
}

// Reject is an input that the guest or a converter could not handle. It is
// kept with its reason: this is the quarantine.
type Reject struct {
	Device string
	Reason string
	Input  []byte
	Of     RejectOf // what Input is
	Group  string   // of an event: the group whose session it came from
}

// Effects reports whether the block changes the store, so that it must be
// applied.
func (b *Block) Effects() bool { return len(b.KV) > 0 || len(b.Devices) > 0 }

// State is what the log knows of one lane of a connector without being read
// again.
type State struct {
	Epoch   uint64 // of the last block
	Next    uint64 // sequence of the next record in that epoch
	Cursor  []byte // nil: none was ever committed
	Last    uint64 // sequence of the last block
	Effects uint64 // sequence of the last block with Effects; 0: none
	Stopped bool   // whether the last block ended an orderly stop
	LastAt  int64  // Received of the last block, unix ns
	Timers  []Timer
}

// Timer is a timer that was set and not cleared. The log cannot see one fire:
// the block of the step that handled a timer that rings once clears it.
type Timer struct {
	abi.Timer
	SetAt int64 // Received of the block that set it, unix ns
}
