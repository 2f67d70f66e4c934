package engine

import "github.com/tetratelabs/wazero/api"

// randomChunk is how much is filled between two looks at the deadline.
const randomChunk = 64 << 10

// randomGet (buf, len) fills the buffer from the instance's own generator.
func randomGet(i *Instance, p []uint64) errno {
	buf, ok := i.memory.at(api.DecodeU32(p[0]), api.DecodeU32(p[1]))
	if !ok {
		return efault
	}
	for len(buf) > 0 {
		n := min(len(buf), randomChunk)
		_, _ = i.wasi.random.Read(buf[:n]) // never fails
		buf = buf[n:]
		i.charge(n)
	}
	return esuccess
}
