package opcua_test

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/opcua"
)

func TestValues(t *testing.T) {
	for _, c := range []struct {
		kind opcua.Kind
		text string
		want abi.Value
		hex  []byte
	}{
		{opcua.KindBoolean, "true", abi.Bool(true), []byte{1, 1}},
		{opcua.KindSByte, "-1", abi.Int(-1), []byte{2, 255}},
		{opcua.KindByte, "255", abi.Uint(255), []byte{3, 255}},
		{opcua.KindInt16, "-2", abi.Int(-2), []byte{4, 254, 255}},
		{opcua.KindUInt32, "4294967295", abi.Uint(math.MaxUint32), []byte{7, 255, 255, 255, 255}},
		{opcua.KindInt64, "-9223372036854775808", abi.Int(math.MinInt64), []byte{8, 0, 0, 0, 0, 0, 0, 0, 128}},
		{opcua.KindFloat, "0.5", abi.Double(0.5), []byte{10, 0, 0, 0, 63}},
		{opcua.KindDouble, "1.5", abi.Double(1.5), []byte{11, 0, 0, 0, 0, 0, 0, 248, 63}},
		{opcua.KindString, "ä", abi.String("ä"), []byte{12, 2, 0, 0, 0, 0xc3, 0xa4}},
	} {
		v, err := opcua.Parse(c.kind, c.text)
		if err != nil || !bytes.Equal(v, c.hex) {
			t.Errorf("%d %s: %x, %v", c.kind, c.text, v, err)
		}
		if got, ok := opcua.Value(v); !ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%x is %v, %v", v, got, ok)
		}
	}
	for kind, text := range map[opcua.Kind]string{opcua.KindSByte: "128", opcua.KindByte: "-1", opcua.KindDouble: "x", opcua.KindBoolean: "2", opcua.KindGUID: "a"} {
		if v, err := opcua.Parse(kind, text); err == nil {
			t.Errorf("%d of %q is %x", kind, text, v)
		}
	}
	for _, none := range [][]byte{nil, {0}, {6, 1}, {12, 5, 0, 0, 0, 1}, {0x86, 1, 0, 0, 0, 1, 0, 0, 0}, {22, 0, 0, 0}, {12}} {
		if v, ok := opcua.Value(none); ok {
			t.Errorf("%x is %v", none, v)
		}
	}
	if opcua.UnixNS(133444736001234567) != 1700000000123456700 || opcua.UnixNS(0) != 0 || opcua.UnixNS(1<<63) != 0 {
		t.Error("times")
	}
	if s := opcua.Status(0x80340000); !s.Bad() || s.Good() || s.String() != "0x80340000" {
		t.Error(s)
	}
}
