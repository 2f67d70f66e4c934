// Package wire is the client's end of the binary protocol of OPC UA: the
// connection, the secure channel, requests and replies. Only hostfns/opcua
// imports it.
//
// The cryptography is gopcua's; the rest is not. Its client dials by itself,
// decodes on a goroutine of its own that no caller can guard, makes arrays as
// large as a peer says they are, follows nested values without a bound, and
// drops what it does not know. Here nothing is allocated that has not arrived,
// nesting is bounded, and values are kept in the encoding in which they came.
//
// A Channel owns two goroutines, which end before Close returns. It never
// connects again: whoever uses it makes a new one.
package wire
