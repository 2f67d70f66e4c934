package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// checksum is a sum over a part of the payload that has to be right. A nil one
// is none.
type checksum struct {
	kind   string
	from   int
	at     int // where it stands, below 0: from the end; the part ends there
	little bool
}

// sizes are the bytes of each checksum.
var sizes = map[string]int{"crc16_modbus": 2, "crc16_ccitt": 2, "crc32": 4, "sum8": 1, "xor8": 1}

func (c *checksum) check(payload []byte) error {
	if c == nil {
		return nil
	}
	at, size := c.at, sizes[c.kind]
	if at < 0 {
		at += len(payload)
	}
	if at < c.from || at+size > len(payload) {
		return fmt.Errorf("%s is too short for its checksum", shown(payload))
	}
	var eight [8]byte
	for i, b := range payload[at : at+size] {
		if c.little {
			eight[7-i] = b
		} else {
			eight[8-size+i] = b
		}
	}
	said, is := binary.BigEndian.Uint64(eight[:]), sum(c.kind, payload[c.from:at])
	if said != is {
		return fmt.Errorf("the checksum of %s is %0*x, and it says %0*x", shown(payload), 2*size, is, 2*size, said)
	}
	return nil
}

func sum(kind string, part []byte) uint64 {
	switch kind {
	case "crc16_modbus":
		return uint64(crc16(part, 0xffff, 0xa001, true))
	case "crc16_ccitt":
		return uint64(crc16(part, 0xffff, 0x1021, false))
	case "crc32":
		return uint64(crc32.ChecksumIEEE(part))
	}
	var n byte
	for _, b := range part {
		if kind == "xor8" {
			n ^= b
		} else {
			n += b
		}
	}
	return uint64(n)
}

func crc16(part []byte, crc, polynomial uint16, reflected bool) uint16 {
	for _, b := range part {
		if reflected {
			crc ^= uint16(b)
		} else {
			crc ^= uint16(b) << 8
		}
		for range 8 {
			switch {
			case reflected && crc&1 != 0:
				crc = crc>>1 ^ polynomial
			case reflected:
				crc >>= 1
			case crc&0x8000 != 0:
				crc = crc<<1 ^ polynomial
			default:
				crc <<= 1
			}
		}
	}
	return crc
}
