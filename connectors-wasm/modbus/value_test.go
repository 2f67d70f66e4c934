package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
)

// What the registers of a value say in each order, and what a write of it puts
// there.
func TestValues(t *testing.T) {
	for _, c := range []struct{ item, registers, value string }{
		{`{"type":"uint16"}`, "ffff", "65535"},
		{`{"type":"int16"}`, "ffff", "-1"},
		{`{"type":"int16","byteOrder":"LITTLE"}`, "feff", "-2"},
		{`{"type":"uint32"}`, "01020304", "16909060"},
		{`{"type":"uint32","wordOrder":"LITTLE"}`, "03040102", "16909060"},
		{`{"type":"uint32","byteOrder":"LITTLE"}`, "02010403", "16909060"},
		{`{"type":"uint32","byteOrder":"LITTLE","wordOrder":"LITTLE"}`, "04030201", "16909060"},
		{`{"type":"int32"}`, "fffffffe", "-2"},
		{`{"type":"int64"}`, "8000000000000000", "-9223372036854775808"},
		{`{"type":"uint64"}`, "ffffffffffffffff", "18446744073709551615"},
		{`{"type":"uint64","wordOrder":"LITTLE"}`, "0007000500030001", "281487861940231"},
		{`{"type":"float32"}`, "41ac0000", "21.5"},
		{`{"type":"float32","wordOrder":"LITTLE"}`, "000041ac", "21.5"},
		{`{"type":"float64"}`, "c035800000000000", "-21.5"},
		{`{"type":"uint16","divider":10}`, "00d7", "21.5"},
		{`{"type":"int16","multiplier":2,"offset":-40}`, "001e", "20"},
		{`{"type":"bits"}`, "8001", "32769"},
		{`{"type":"bool"}`, "0001", "true"},
		{`{"type":"string","objectsCount":3}`, "48656c6c6f00", `"Hello"`},
		{`{"type":"string","objectsCount":2,"byteOrder":"LITTLE"}`, "65486c6c", `"Hell"`},
		{`{"functionCode":1}`, "01", "true"},
		{`{"functionCode":1,"type":"bits","objectsCount":12}`, "010a", "2561"},
	} {
		it := item{Tag: "x"}
		if err := json.Unmarshal([]byte(c.item), &it); err != nil {
			t.Fatal(err)
		}
		it.polled, it.Writable = true, true
		if field, why := it.settle(&unit{ByteOrder: big, WordOrder: big}); why != "" {
			t.Fatalf("%s: %s %s", c.item, field, why)
		}
		data, _ := hex.DecodeString(c.registers)
		got, _ := json.Marshal(plain(it.decode(data)))
		if string(got) != c.value {
			t.Errorf("%s: %s reads %s, want %s", c.item, c.registers, got, c.value)
		}
		if it.Type == typeBool && !it.ofBits() {
			continue // one bit of a register is written by a mask
		}
		back, err := it.encode(json.RawMessage(c.value))
		if err != nil || fmt.Sprintf("%x", back) != c.registers {
			t.Errorf("%s: %s is written as %x (%v), want %s", c.item, c.value, back, err, c.registers)
		}
	}
}

func TestDeadband(t *testing.T) {
	it := item{Type: typeInt16, Multiplier: 1, Divider: 1, ByteOrder: big, WordOrder: big, size: 1, function: readHolding}
	value := func(v uint16) bool {
		return near(it.decode([]byte{0, 100}), it.decode([]byte{byte(v >> 8), byte(v)}), 5)
	}
	if !value(104) || value(105) || value(95) {
		t.Error("a deadband of 5 keeps back less than 5, and no more")
	}
}

// FuzzAnswers: no answer, whatever it says, makes the guest fail, and only one
// that fits is read.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{7, 3, 2, 0, 1, 0x30, 0x50})
	f.Add([]byte{3, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := read{function: readHolding, count: 2}
		request := r.request()
		for _, answer := range [][]byte{raw, framed(append([]byte{7}, raw...)...)} {
			pdu, err := unframe(7, answer)
			if err != nil || verdictOf(request, pdu) != nil {
				continue
			}
			if data, err := r.data(pdu); err == nil && len(data) != 4 {
				t.Fatalf("%x gave %x", answer, data)
			}
			echoes([]byte{writeRegister, 0, 1, 0, 2}, pdu)
		}
		n := &network{}
		_, _, _ = n.unframe(7, raw)
	})
}
