package secret

import (
	"fmt"

	"github.com/snaprail/snaprail/runtime/mask"
)

// NewTestMask is a mask of so many secrets.
func NewTestMask(n int) *Mask {
	m := mask.New()
	for i := range n {
		m.Learn(fmt.Sprint(i), fmt.Appendf(nil, "a secret that is the value of number %d", i))
	}
	return m
}
