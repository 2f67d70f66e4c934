package main

import (
	"encoding/binary"
	"fmt"
)

// The function codes.
const (
	readCoils      = 1
	readDiscrete   = 2
	readHolding    = 3
	readInput      = 4
	writeCoil      = 5
	writeRegister  = 6
	writeCoils     = 15
	writeRegisters = 16
	maskRegister   = 22

	refusedBit = 0x80
)

// The most that one request may be about, as the protocol has it.
const (
	mostRegisters      = 125
	mostBits           = 2000
	mostRegistersWrite = 123
	mostBitsWrite      = 1968
)

// exception is the answer of a device that refuses.
type exception struct {
	function, code byte
}

const illegalAddress = 2

// exceptions are the texts of the codes.
var exceptions = map[byte]string{
	1: "illegal function: the device does not know it", illegalAddress: "illegal data address: the device has nothing there",
	3: "illegal data value: the device does not take it", 4: "server device failure: the device failed at it",
	5: "acknowledge: the device is still at it", 6: "server device busy: ask again later", 7: "negative acknowledge",
	8: "memory parity error: the device's memory is damaged", 10: "gateway path unavailable: the gateway is not set up for this unit",
	11: "gateway target device failed to respond: the unit behind the gateway is silent",
}

func (e *exception) Error() string {
	text := exceptions[e.code]
	if text == "" {
		text = "unknown to the protocol"
	}
	return fmt.Sprintf("the device refused function %d with exception %d (%s)", e.function, e.code, text)
}

// name is the exception as a code.
func (e *exception) name() string {
	names := map[byte]string{
		1: "illegal_function", 2: "illegal_data_address", 3: "illegal_data_value", 4: "server_device_failure", 5: "acknowledge",
		6: "server_device_busy", 7: "negative_acknowledge", 8: "memory_parity_error", 10: "gateway_path_unavailable", 11: "gateway_target_failed",
	}
	if n := names[e.code]; n != "" {
		return n
	}
	return fmt.Sprintf("exception_%d", e.code)
}

// damaged is an answer that is none.
type damaged struct{ text string }

func (d *damaged) Error() string { return "the answer is damaged: " + d.text }

func damage(format string, args ...any) error { return &damaged{fmt.Sprintf(format, args...)} }

// verdictOf looks whether an answer is one to the request, and no refusal.
func verdictOf(request, answer []byte) error {
	switch {
	case len(answer) == 2 && answer[0] == request[0]|refusedBit:
		return &exception{request[0], answer[1]}
	case len(answer) == 0 || answer[0] != request[0]:
		return damage("it is not to function %d", request[0])
	}
	return nil
}

// readRequest asks for count registers or bits.
func readRequest(function byte, address, count int) []byte {
	pdu := []byte{function}
	pdu = binary.BigEndian.AppendUint16(pdu, uint16(address))
	return binary.BigEndian.AppendUint16(pdu, uint16(count))
}

// writeRequest writes registers or bits, which data holds as the wire has them.
func writeRequest(function byte, address, count int, data []byte) []byte {
	pdu := []byte{function}
	pdu = binary.BigEndian.AppendUint16(pdu, uint16(address))
	if function == writeCoils || function == writeRegisters {
		pdu = binary.BigEndian.AppendUint16(pdu, uint16(count))
		pdu = append(pdu, byte(len(data)))
	}
	return append(pdu, data...)
}

// echoes reports whether an answer confirms a write: it repeats the beginning of
// the request.
func echoes(request, answer []byte) bool {
	n := 5
	if request[0] == maskRegister {
		n = 7
	}
	return len(answer) == n && len(request) >= n && string(answer) == string(request[:n])
}

// crc16 is the check of an RTU frame.
func crc16(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			odd := crc & 1
			crc >>= 1
			if odd == 1 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}
