//go:build !wasip1

package main

// Outside of a guest there is nobody to call these.
var _, _ = convert, spin
