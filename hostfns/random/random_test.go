package random

import (
	"bytes"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
)

func TestContract(t *testing.T) {
	hostfnstest.Run(t, hostfnstest.Case{
		Group: New(),
		Calls: []hostfnstest.Call{
			{Function: "read", Request: abi.RandomRead{Count: 16}, Reply: &abi.RandomBytes{}, Varies: []string{"data"}},
			{Function: "read", Request: abi.RandomRead{}, Reply: &abi.RandomBytes{}},
			{Function: "read", Request: abi.RandomRead{Count: 4097}},
		},
		Log: `
==> random.read(count=16)
<== data=*
==> random.read()
<== zero
==> random.read(count=4097)
<== error=too_large
`,
	})
}

func TestNoTwoReadsAreAlike(t *testing.T) {
	s, err := New().Open(t.Context(), capability.Scope{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	read := func() []byte {
		out, err := s.Call(t.Context(), "read", abi.RandomRead{Count: 4096}.Append(nil), nil)
		var b abi.RandomBytes
		if err != nil || b.Decode(out) != nil || len(b.Data) != 4096 {
			t.Fatalf("%d bytes, %v", len(b.Data), err)
		}
		return b.Data
	}
	if a, b := read(), read(); bytes.Equal(a, b) || bytes.Equal(a[:2048], a[2048:]) {
		t.Error("two reads are alike")
	}
}
