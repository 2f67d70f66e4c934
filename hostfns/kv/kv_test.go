package kv_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/hostfns/kv"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestContract(t *testing.T) {
	get := func(key string) hostfnstest.Call {
		return hostfnstest.Call{Function: "get", Request: abi.KVKey{Key: key}, Reply: &abi.KVValue{}}
	}
	put := func(p abi.KVPut) hostfnstest.Call { return hostfnstest.Call{Function: "put", Request: p} }
	hostfnstest.Run(t, hostfnstest.Case{
		Group: kv.New(),
		Calls: []hostfnstest.Call{
			get("a"),
			put(abi.KVPut{Key: "a", Value: []byte("1\x00")}), get("a"),
			put(abi.KVPut{Key: "empty"}), get("empty"),
			put(abi.KVPut{Key: "a", Delete: true}), get("a"),
			put(abi.KVPut{}), get(""), get(strings.Repeat("k", 257)),
			put(abi.KVPut{Key: strings.Repeat("k", 256), Value: []byte(strings.Repeat("v", kv.MaxValue))}),
			get(strings.Repeat("k", 256)),
			put(abi.KVPut{Key: "b", Value: []byte(strings.Repeat("v", kv.MaxValue+1))}), get("b"),
		},
		Log: `
==> kv.get(key="a")
<== zero
==> kv.put(key="a",value="1\x00")
<== ok
==> kv.get(key="a")
<== found=true,value="1\x00"
==> kv.put(key="empty")
<== ok
==> kv.get(key="empty")
<== found=true
==> kv.put(key="a",delete=true)
<== ok
==> kv.get(key="a")
<== zero
==> kv.put()
<== error=invalid
==> kv.get()
<== error=invalid
==> kv.get(key="kkkkkkkkkkkkkkkk... 257 bytes")
<== error=invalid
==> kv.put(key="kkkkkkkkkkkkkkkk... 256 bytes",value="vvvvvvvvvvvvvvvv... 65536 bytes")
<== ok
==> kv.get(key="kkkkkkkkkkkkkkkk... 256 bytes")
<== found=true,value="vvvvvvvvvvvvvvvv... 65536 bytes"
==> kv.put(key="b",value="vvvvvvvvvvvvvvvv... 65537 bytes")
<== error=too_large
==> kv.get(key="b")
<== zero
`,
	})
}

// broken is a state that cannot be read or changed.
type broken struct{}

var errBroken = fault.Wrap(fault.DiskFull, errors.New("no space"), "state")

func (broken) Get(context.Context, string) ([]byte, bool, error) { return nil, false, errBroken }
func (broken) Put(context.Context, string, []byte) error         { return errBroken }
func (broken) Delete(context.Context, string) error              { return errBroken }

func TestErrorsOfTheStateReachTheGuest(t *testing.T) {
	s, err := kv.New().Open(t.Context(), capability.Scope{State: broken{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for function, in := range map[string][]byte{
		"get": abi.KVKey{Key: "a"}.Append(nil),
		"put": abi.KVPut{Key: "a", Delete: true}.Append(nil),
	} {
		if _, err := s.Call(t.Context(), function, in, nil); !fault.Is(err, fault.DiskFull) {
			t.Errorf("%s: %v", function, err)
		}
	}
}
