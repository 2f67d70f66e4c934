// Package udp is the group of peers that a connector may exchange datagrams with.
// The composition root builds the Group; nobody else imports it.
//
// A grant names patterns of host:port ("plc1:47808") with the right to read and to
// write, and, where private addresses are meant, their network. A Session is one
// socket for one peer: what others send to it is not received, by the system's
// word. A broadcast address needs a grant of its own ("cidr:192.168.1.255/32"), and
// multicast is never reached. How many datagrams leave in a second is bounded, how
// many are heard, and their size. What comes beyond the rate, finds no room, or is
// too long, is dropped, counted by reason ("dropped_rate", "dropped_overflow",
// "dropped_datagram_too_long") and told by EventGap.
package udp
