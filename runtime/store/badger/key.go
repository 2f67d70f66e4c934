package badger

import (
	"fmt"
	"io"
)

// Key is the secret that seals a store. It does not print. Without it the store
// is lost; where it is kept is the business of whoever opens the store.
type Key [32]byte

// Format writes the same text for every key and verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }
