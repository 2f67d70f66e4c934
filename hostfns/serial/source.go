package serial

import "github.com/snaprail/snaprail/runtime/capability"

// source is what sessions have in common: a queue of events that is handed out.
type source struct{ events *queue }

// Ready holds a token whenever Take may have something to give.
func (s source) Ready() <-chan struct{} { return s.events.ready }

// Take hands out the next events.
func (s source) Take(dst []capability.Event, items, bytes int) []capability.Event {
	return s.events.take(dst, items, bytes)
}

// Ack lets the oldest n events go.
func (s source) Ack(n int) { s.events.ack(n) }

// Rewind makes Take begin anew.
func (s source) Rewind() { s.events.rewind() }

// Replayable is false: what a device sends while nobody reads is gone.
func (source) Replayable() bool { return false }
