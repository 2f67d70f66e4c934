package capability_test

import (
	"fmt"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// What a guest repeats of an error leads back to it, and the last one counts; those of
// the call before do not, and of a call with many the oldest go.
func TestRemarks(t *testing.T) {
	var r capability.Remarks
	ctx := r.In(t.Context())
	capability.Remark(t.Context(), fault.New(fault.Denied, "nobody listens"))
	capability.Remark(ctx, nil)
	capability.Remark(ctx, fault.New(fault.Denied, ""))
	capability.Remark(ctx, fault.New(fault.Denied, "shut").WithHint("first"))
	capability.Remark(ctx, fault.New(fault.Denied, "shut").WithHint("last"))
	if f := r.On("denied: shut!"); f == nil || f.Hint != "last" {
		t.Errorf("%+v", f)
	}
	for _, text := range []string{"", "open", "nobody listens"} {
		if f := r.On(text); f != nil {
			t.Errorf("%q: %+v", text, f)
		}
	}
	for i := range 100 {
		capability.Remark(ctx, fault.New(fault.Denied, "no. %d.", i))
	}
	for i, kept := range map[int]bool{67: false, 68: true, 99: true} {
		if f := r.On(fmt.Sprintf("no. %d.", i)); (f != nil) != kept {
			t.Errorf("no. %d: %+v", i, f)
		}
	}
	r.Clear()
	if f := r.On("no. 99."); f != nil {
		t.Errorf("after Clear: %+v", f)
	}
}
