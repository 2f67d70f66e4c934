// Package peertest holds real peers for tests: servers that speak a protocol as
// the standard has it, and check what they get. They listen on 127.0.0.1 and end
// with the test.
//
// Only tests import it.
package peertest
