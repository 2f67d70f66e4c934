// Package deploy is what was set up for devices: one deployment for each, with a
// ledger of what was made for it and how to take that away again. Control makes
// and takes away; nobody else imports the package.
//
// Its invariant: each resource is in the ledger, durably, before it is made, and
// leaves it only after it was taken away, or after a person has dismissed it. So
// whatever a crash, a guest or a peer cuts off, nothing that was made is missing
// from the ledger.
package deploy
