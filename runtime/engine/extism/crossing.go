package extism

// Input is the input's range.
func (k *Kernel) Input() (at, n uint64) { return k.input.at, k.input.n }

// SetInput makes a range the input. One that is not inside changes nothing.
func (k *Kernel) SetInput(at, n uint64) { k.set(&k.input, at, n) }

// InputLoad8 is the byte at a place of the input; 0 behind its end.
func (k *Kernel) InputLoad8(i uint64) byte {
	if i >= k.input.n {
		return 0
	}
	return k.Load8(k.input.at + i)
}

// InputLoad64 is the little-endian number at a place of the input; 0 if it
// would reach behind its end.
func (k *Kernel) InputLoad64(i uint64) uint64 {
	if i >= k.input.n || k.input.n-i < 8 {
		return 0
	}
	return k.Load64(k.input.at + i)
}

// SetOutput makes a range the output. One that is not inside changes nothing.
func (k *Kernel) SetOutput(at, n uint64) { k.set(&k.output, at, n) }

// OutputRange is the output's range.
func (k *Kernel) OutputRange() (at, n uint64) { return k.output.at, k.output.n }

// Output is the output's bytes, valid until the next use of the kernel.
func (k *Kernel) Output() []byte { return k.bytes[k.output.at : k.output.at+k.output.n] }

// set is what input_set and output_set have in common: an empty range needs an
// offset too.
func (k *Kernel) set(s *span, at, n uint64) {
	if k.inside(at, max(n, 1)) {
		*s = span{at, n}
	}
}

// SetError makes a block the call's error; 0: none. An offset that is not
// inside changes nothing.
func (k *Kernel) SetError(at uint64) {
	if at == 0 || k.inside(at, 1) {
		k.failure = at
	}
}

// Error is the offset of the call's error; 0: none.
func (k *Kernel) Error() uint64 { return k.failure }

// ErrorText is the call's error; empty: none, or its block is gone. It is
// valid until the next use of the kernel.
func (k *Kernel) ErrorText() []byte { return k.Block(k.failure) }
