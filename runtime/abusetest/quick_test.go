//go:build !abuse

package abusetest_test

// full is false in `make test`, which shares the machine with other tests: the
// cases are short there, nothing may be lost or die that should not, and times
// are held to what is far beyond their targets.
const full = false
