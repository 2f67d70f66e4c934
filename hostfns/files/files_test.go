package files

import (
	"context"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// shelf holds files by name, in order.
type shelf [][2]string

func (s shelf) Files(context.Context) (list []abi.FileInfo, _ error) {
	for _, f := range s {
		list = append(list, abi.FileInfo{Name: f[0], Size: uint64(len(f[1])), ContentType: "text/plain"})
	}
	return list, nil
}

func (s shelf) Content(_ context.Context, name string) ([]byte, error) {
	for _, f := range s {
		if f[0] == name {
			return []byte(f[1]), nil
		}
	}
	return nil, fault.New(fault.NotFound, "no %s", name)
}

func TestContract(t *testing.T) {
	hostfnstest.Run(t, hostfnstest.Case{
		Group: New(), Files: shelf{{"ca", "x"}, {"map.csv", "1,2,3\n"}},
		Calls: []hostfnstest.Call{
			{Function: "list", Request: abi.FilesList{}, Reply: &abi.FilePage{}},
			{Function: "list", Request: abi.FilesList{Limit: 1}, Reply: &abi.FilePage{}},
			{Function: "list", Request: abi.FilesList{After: "ca"}, Reply: &abi.FilePage{}},
			{Function: "stat", Request: abi.FilesStat{Name: "map.csv"}, Reply: &abi.FileInfo{}},
			{Function: "stat", Request: abi.FilesStat{Name: "/etc/passwd"}},
			{Function: "read", Request: abi.FilesRead{Name: "map.csv"}, Reply: &abi.FileData{}},
			{Function: "read", Request: abi.FilesRead{Name: "map.csv", Offset: 2, Max: 3}, Reply: &abi.FileData{}},
			{Function: "read", Request: abi.FilesRead{Name: "map.csv", Offset: 1 << 63}, Reply: &abi.FileData{}},
			{Function: "read", Request: abi.FilesRead{Name: "../ca"}},
		},
		Log: `
==> files.list()
<== files=[{ca 1 text/plain } {map.csv 6 text/plain }]
==> files.list(limit=1)
<== files=[{ca 1 text/plain }],more=true
==> files.list(after="ca")
<== files=[{map.csv 6 text/plain }]
==> files.stat(name="map.csv")
<== name="map.csv",size=6,contentType="text/plain"
==> files.stat(name="/etc/passwd")
<== error=not_found
==> files.read(name="map.csv")
<== data="1,2,3\n",size=6
==> files.read(name="map.csv",offset=2,max=3)
<== data="2,3",size=6
==> files.read(name="map.csv",offset=9223372036854775808)
<== size=6
==> files.read(name="../ca")
<== error=not_found
`,
	})
}

// A file that is longer than a call answers comes in pieces of one reading, however
// it is changed meanwhile.
func TestPieces(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", maxPiece/16) + "end"
	at := shelf{{"a", long}}
	s, err := New().Open(t.Context(), capability.Scope{Files: at}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for got.Len() < len(long) {
		out, err := s.Call(t.Context(), "read", abi.FilesRead{Name: "a", Offset: uint64(got.Len())}.Append(nil), nil)
		var data abi.FileData
		if err != nil || data.Decode(out) != nil || len(data.Data) == 0 || len(data.Data) > maxPiece {
			t.Fatalf("%d bytes, %v", len(data.Data), err)
		}
		got.Write(data.Data)
		at[0][1] = "changed"
	}
	if got.String() != long {
		t.Error("something else came")
	}
}

func TestConverterHasNone(t *testing.T) {
	s, err := New().Open(t.Context(), capability.Scope{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.Call(t.Context(), "list", nil, nil); err != nil || len(out) != 0 {
		t.Errorf("list: %x, %v", out, err)
	}
	for function, in := range map[string][]byte{"stat": abi.FilesStat{Name: "a"}.Append(nil), "read": abi.FilesRead{Name: "a"}.Append(nil)} {
		if _, err := s.Call(t.Context(), function, in, nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", function, err)
		}
	}
}
