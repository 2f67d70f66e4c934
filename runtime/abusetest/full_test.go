//go:build abuse

package abusetest_test

// full says that the cases run at their full length and are held to their
// targets: `make abuse`.
const full = true
