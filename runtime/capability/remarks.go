package capability

import (
	"context"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Remarks are the faults that host functions met during one call of a guest, the last
// maxRemarks of them: a guest says of a failure what its errors have for text, and what
// to do about it is lost on the way. They belong to the goroutine that calls the guest.
type Remarks struct{ list []*fault.Fault }

// maxRemarks bounds what is kept of one call.
const maxRemarks = 32

type remarksKey struct{}

// In is a context for the call in which remarks are taken.
func (r *Remarks) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, remarksKey{}, r)
}

// Clear forgets those of the call before.
func (r *Remarks) Clear() { r.list = r.list[:0] }

// On is the last remark whose text a guest repeats in this one; nil: it repeats none.
func (r *Remarks) On(text string) *fault.Fault {
	for _, f := range slices.Backward(r.list) {
		if f.Text != "" && strings.Contains(text, f.Text) {
			return f
		}
	}
	return nil
}

// Remark notes a fault for whoever called the guest, if he wants to know. ctx is that
// of a host call, during which it may be used. What a group answers with an error is
// noted without it; this is for what it answers inside of a reply.
func Remark(ctx context.Context, err error) {
	r, wanted := ctx.Value(remarksKey{}).(*Remarks)
	if !wanted || err == nil {
		return
	}
	if len(r.list) == maxRemarks {
		copy(r.list, r.list[1:])
		r.list = r.list[:maxRemarks-1]
	}
	r.list = append(r.list, fault.Of(err))
}
