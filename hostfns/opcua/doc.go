// Package opcua is the group of OPC UA servers: open, read, write, browse, call
// and subscribe, with what a server publishes as events. The composition root
// builds the Group; nobody else imports it.
//
// A Session holds one connection and what is wanted of it: its subscriptions
// with their items. It believes nothing but data: a request goes out every few
// seconds, each subscription has to be heard of in time, and a connection that
// fails either is given up. Then the session tells EventDown, connects anew, as
// often as it takes, makes everything that is wanted again, and tells EventUp
// when the server has published something. Nothing of the old connection is
// carried over: one way back, tried at every loss. What a server dropped is told
// by EventGap.
//
// When its buffer is full a session asks for no more publications, so that the
// server keeps them, as far as its own queues go.
//
// A server shows a certificate at the first connection, which is remembered and
// expected from then on, unless the configuration names one. Only the address
// that was granted is dialled, whatever endpoints a server advertises.
package opcua
