// Package badger is the store on disk: a Badger database whose every value is
// sealed, so that damage, a value emptied by a recovery and a value moved
// under another tenant's key read as fault.Integrity and never as data.
//
// Only cmd and tests import it, and nothing else in the project imports
// Badger. Its invariants: what Update returned is synced to disk; nothing is
// written when the disk is nearly full, because Badger writes through memory
// maps and the process would die; a deletion is a sealed tombstone, because an
// absent key is not proof of one.
//
// Names (tenants, buckets, ids) lie on disk in the clear; values do not. An
// older sealed value put back in the place of a newer one is not noticed.
package badger
