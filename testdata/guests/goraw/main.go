// Command goraw is craw in Go: the frame of a weather station without any
// contract around it, and a bare loop. It uses no SDK.
package main

import (
	"encoding/binary"
	"strconv"
)

func main() {}

// Outside of a guest nobody calls these.
var _, _ = convert, spin

// convert answers a batch of frames with a batch of JSON texts: a count, then
// each behind its length, all numbers 32 bits little-endian.
func convert(dst, src []byte) []byte {
	if len(src) < 4 {
		return dst
	}
	n, done := binary.LittleEndian.Uint32(src), uint32(0)
	dst = append(dst, 0, 0, 0, 0)
	for src = src[4:]; done < n && len(src) >= 10; done++ {
		size := binary.LittleEndian.Uint32(src)
		if size < 6 || uint64(size) > uint64(len(src)-4) {
			break
		}
		frame := src[4 : 4+size]
		mark := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst = strconv.AppendInt(append(dst, `{"temperature":`...), digits(frame), 10)
		dst = strconv.AppendInt(append(dst, `,"humidity":`...), digits(frame[2:]), 10)
		dst = strconv.AppendInt(append(dst, `,"battery":`...), digits(frame[4:]), 10)
		dst = append(dst, '}')
		binary.LittleEndian.PutUint32(dst[mark:], uint32(len(dst)-mark-4))
		src = src[4+size:]
	}
	binary.LittleEndian.PutUint32(dst, done)
	return dst
}

func digits(b []byte) int64 { return int64(b[0]-'0')*10 + int64(b[1]-'0') }

// spin runs a loop n times. Its result depends on each round.
func spin(n uint64) uint64 {
	x := uint64(1)
	for i := range n {
		x = x*6364136223846793005 + i
	}
	return x
}
