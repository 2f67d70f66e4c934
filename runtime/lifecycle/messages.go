package lifecycle

// Messages are what became of the messages to a connector. They add up over the
// life of the server process.
type Messages struct {
	Open      int    `json:"open"`      // now
	Asked     uint64 `json:"asked"`     // questions, and messages without a reply
	Answered  uint64 `json:"answered"`  // ended by a last reply, errors included
	Partial   uint64 `json:"partial"`   // replies before the last one
	Delivered uint64 `json:"delivered"` // messages without a reply that were handled
	Failed    uint64 `json:"failed"`    // ended by a fault of the module's or the host's
	TimedOut  uint64 `json:"timed_out"` // ended by their deadline
	GivenUp   uint64 `json:"given_up"`  // ended because the asker had gone

	Refused   uint64 `json:"refused"`         // found no room
	Unknown   uint64 `json:"device_unknown"`  // to a device that there is not
	Unasked   uint64 `json:"not_a_query"`     // replies to nothing
	Late      uint64 `json:"late_reply"`      // behind the deadline
	Ended     uint64 `json:"reply_ended"`     // behind the last one
	Malformed uint64 `json:"invalid_message"` // replies of a wrong form
	Slow      uint64 `json:"slow_reader"`     // questions whose reader was too slow
}
