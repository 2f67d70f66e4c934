// Package hooks is the group of requests that come in: a connector opens paths
// below its own address, and each HTTP request to one of them is an event. The
// composition root builds the Group, hands it to whoever listens, and nobody else
// imports it.
//
// A request is looked at before the guest hears of it: the path, the size, the
// signature over the body as it came. It is answered when the step that took it is
// durable (I1), by the host or with what the guest has said; a request whose name
// came before, or whose signature did, is answered as before and not handed in again
// (see call.ticket for which). Whatever a caller may not have is answered as if there
// were nothing.
//
// What came before is known in memory alone. After a restart of the host a request that
// was taken may be handed in once more: within the tolerance where a time is signed,
// for ever where none is. So a connector that must not take one twice gives its records
// the request's key as their source key, which is known again after a restart.
//
// A session belongs to its connector and is adopted over swaps, so that requests
// wait while guests change. Everything is bounded: bodies under way, requests that
// wait, names that are remembered, by connector, by tenant and in all.
package hooks
