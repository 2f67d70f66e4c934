package secret

import "fmt"

// NewTestMask is a mask of so many secrets.
func NewTestMask(n int) *Mask {
	m := newMask()
	for i := range n {
		m.learn(fmt.Sprint(i), fmt.Appendf(nil, "a secret that is the value of number %d", i))
	}
	return m
}

// FormsOf is formsOf.
func FormsOf(value string) []string { return formsOf(value) }
