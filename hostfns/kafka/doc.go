// Package kafka is the group of Kafka topics that a connector may read and write.
// The composition root builds the Group; nobody else imports it.
//
// A session is one topic of one cluster, with a client of its own, so that no
// login is shared. A grant names topics (kafka://kafka1:9092/readings) with the
// right to read or to write, and, where private addresses are meant, their network
// (cidr:192.168.1.0/24). Every connection goes out through egress, and to a host
// and port that a grant covers: brokers advertise the addresses of one another,
// and one that is foreign is refused, and told of.
//
// What a broker answers is weighed before the library makes anything of it: an
// answer is bounded by what was asked, and a batch by what its records cost. One
// that is too large is passed over, in its place, as a record that is too large is.
//
// Offsets are committed once the records are acknowledged, which is when they are
// in the outbox, and only for partitions that are still this member's: never by a
// clock, and never late. Records that are too large, and each hole that retention has
// made in what was to be read, are told by EventGap and counted by their reason
// ("dropped_record_too_large", "dropped_data_loss"). What is produced is done when all replicas have it.
package kafka
