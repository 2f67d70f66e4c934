// Package serial is the group of serial ports: open, write, drain and flush,
// transact, reads of a raw port, modem lines, break and list; and frames as
// events. The composition root builds the Group; nobody else imports it.
//
// A Session reads its port all the time, cuts the bytes into frames (by a
// delimiter, by length, by silence or as SLIP has it: see runtime/framing) and keeps them
// until they are acknowledged. When its buffer is full it stops reading, so that
// the kernel and the line push back: it never drops a frame that somebody could
// still take. What it does drop (frames beyond max_frame, bytes that are none, and
// a frame that was cut off when the link went down) is counted and told by
// EventGap. When the port goes away the session stays, tells EventDown, looks for
// the port again (100 ms at first, then up to every second) under the same path,
// so that a link in /dev/serial/by-id is followed anew, and tells EventUp.
//
// A transact writes and waits for the frames that answer, in a turn of its own:
// see turns. Lanes of one connector share a port that all of them open with
// shared (see bus): then a turn is all that they get of the line, each with its own
// settings, and what nobody asked for is counted and thrown away. Waits that ended
// without a turn are counted, for each lane ("starved").
//
// A port has one owner at a time, across all connectors of the process: see
// claims. Its file descriptor is closed only after the reader and the writer
// have returned.
package serial
