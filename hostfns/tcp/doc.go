// Package tcp is the group of servers that a connector may speak to over TCP or
// TLS, in any protocol that its guest knows. The composition root builds the Group;
// nobody else imports it.
//
// A grant names patterns of host:port ("plc1:502", "*.plant:502") with the right to
// read and to write, and, where private addresses are meant, their network
// (cidr:192.168.1.0/24). Every connection goes through egress.
//
// A Session reads its connection all the time, cuts what comes into frames and
// keeps those until they are acknowledged or read. When its buffer is full it stops
// reading, so that the peer is held up: it drops nothing that somebody could still
// take. What it does drop (frames that are too long or broken, the rest of one when
// the connection was lost) is counted by its reason ("dropped_frame_too_long") and told by EventGap. A connection that breaks
// is made anew, at first after retry_ms, then after longer and longer; one whose
// peer is gone without a word is found out by the system's keep-alive, by what was
// sent and not confirmed, and by idle_timeout_ms.
package tcp
