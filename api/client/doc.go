// Package client speaks the HTTP API of a Snaprail server, and holds the JSON
// forms of what the API serves, which the server uses too. The command line is
// built on it; other programs may be.
//
// Its errors are faults: what the server answered as problem+json comes back
// as the fault it was made from, by its code; a server that cannot be reached
// is fault.Unreachable. It imports the words of the host (fault, spec,
// lifecycle) and no machinery.
package client
