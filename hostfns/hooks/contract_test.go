package hooks

import (
	"net/http"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
)

func TestContract(t *testing.T) {
	r := newRig(t, Config{})
	suite := func(path string) {
		eventuallySent(r, "/con_suite"+path)
	}
	open := func(paths ...string) *abi.HookOpen { return &abi.HookOpen{Paths: paths, Reply: "guest"} }
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  r.group,
		Grants: grants("path:/suite/**", "path:/log/*"),
		Open:   open("/suite/a", "/suite/*"),
		Equal: []hostfnstest.Message{
			&abi.HookOpen{
				Paths: []string{"/suite/*", "/suite/a", "/suite/a"}, Reply: "guest", Methods: []string{"POST", "POST"}, Auth: "none",
				MaxBody: usualBody, TimeoutMS: 10_000, Queue: 256, Rate: 500, IDHeaders: []string{"idempotency-key"},
			},
		},
		Others: []hostfnstest.Message{
			open("/suite/a"), &abi.HookOpen{Paths: []string{"/suite/a"}}, &abi.HookOpen{Paths: []string{"/suite/a"}, Queue: 7},
			&abi.HookOpen{Paths: []string{"/suite/a"}, Methods: []string{"PUT"}},
		},
		Calls: []hostfnstest.Call{
			{Function: "reply", Request: &abi.HookReply{Handle: 1, ID: 1}},
			{Function: "open", Request: open("/other")},
			{Function: "open", Request: open("/log/a", "/other")},
			{Function: "open", Request: open("/log/a", "/log/**")},
			{Function: "open", Request: open("/log/../a")},
			{Function: "open", Request: open("/log/a"), Reply: &abi.Handle{}},
			{Function: "reply", Request: &abi.HookReply{Handle: 1, ID: 7, Body: []byte("late")}},
			{Function: "reply", Request: &abi.HookReply{Handle: 1, ID: 7, Status: 42}},
		},
		Log: `
==> hooks.reply(handle=1,iD=1)
<== error=not_found
==> hooks.open(paths=[/other],reply="guest")
<== error=denied
==> hooks.open(paths=[/log/a /other],reply="guest")
<== error=denied
==> hooks.open(paths=[/log/a /log/**],reply="guest")
<== error=denied
==> hooks.open(paths=[/log/../a],reply="guest")
<== error=invalid
==> hooks.open(paths=[/log/a],reply="guest")
<== handle=1
==> hooks.reply(handle=1,iD=7,body="late")
<== error=late_reply
==> hooks.reply(handle=1,iD=7,status=42)
<== error=invalid
`,
		Emit: func(t *testing.T, n int) {
			t.Helper()
			for range n {
				suite("/suite/a")
			}
		},
	})
	r.empty()
}

// eventuallySent sends a request and waits until it is in the queue: its answer
// comes when it is acknowledged, or when the session closes.
func eventuallySent(r *rig, path string) {
	r.t.Helper()
	k := r.group.desks.find("con_suite")
	waiting := func() (n int) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, s := range k.sessions {
			n += len(s.tickets)
		}
		return n
	}
	before := waiting()
	go r.send(r.t.Context(), http.MethodPost, path, "{}")
	eventually(r.t, "it waits", func() bool { return waiting() > before })
}
