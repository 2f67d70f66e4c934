// Package mqtt is the group of MQTT brokers that a connector may talk to, in MQTT
// 5 and MQTT 3.1.1. The composition root builds the Group; nobody else imports it.
//
// A session is one client of one broker. A grant names brokers
// (broker:broker1:8883) and topics by their filters (topic:plant/+/readings) with
// the right to read, which is to subscribe, or to write, which is to publish, and,
// where private addresses are meant, their network (cidr:192.168.1.0/24). Every
// connection goes out through egress to the broker that was named: one that refers
// to another is not followed.
//
// A message of QoS 1 or 2 is acknowledged to the broker once its event is, which
// is when what the guest made of it is in the outbox (I1): what is not
// acknowledged, the broker sends again. What is dropped (messages of QoS 0 that come
// faster than they are taken, messages that are too large) is told by EventGap and
// counted by its reason ("dropped_queue_full", "dropped_message_too_large"). What is published has a result when the
// broker has acknowledged it.
//
// What survives: while the process lives, a session keeps what is under way both
// ways through any number of connections, so that QoS 2 is exactly once as long as
// the broker keeps its side. Of a process that ends, the client id, the
// subscriptions and what the broker has not been acknowledged survive at the broker
// (with a session expiry); which messages of QoS 2 were in the middle of being
// received or published does not: they may come twice, and are never lost.
package mqtt
