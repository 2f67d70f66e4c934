//go:build linux && !ppc64le

package serial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// patience is how long a test waits for what has to happen.
const patience = 40 * time.Second

// drivers are those that can be tested on this system.
func drivers() map[string]driver {
	return map[string]driver{"system": systemDriver(), "portable": portable{}}
}

// rig is a device on a pseudo-terminal: the test plays the device on master,
// the session gets the other end by way of a link, as in /dev/serial/by-id.
type rig struct {
	t      *testing.T
	link   string
	master *os.File
	slave  *os.File // kept open, so that the master outlives sessions
}

func plugged(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, link: filepath.Join(t.TempDir(), "by-id")}
	r.plug()
	t.Cleanup(r.unplug)
	return r
}

// plug makes a new device appear behind the link.
func (r *rig) plug() {
	r.t.Helper()
	var err error
	if r.master, r.slave, err = pty.Open(); err != nil {
		r.t.Fatal(err)
	}
	// pty.Open leaves it blocking, so that no deadline would end a read.
	conn, err := r.master.SyscallConn()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := conn.Control(func(fd uintptr) { err = syscall.SetNonblock(int(fd), true) }); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(r.slave.Name(), r.link+".new"); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.link+".new", r.link); err != nil {
		r.t.Fatal(err)
	}
}

// unplug makes the device disappear, with its link.
func (r *rig) unplug() {
	_ = os.Remove(r.link)
	_ = r.slave.Close()
	_ = r.master.Close()
}

func (r *rig) send(text string) {
	r.t.Helper()
	if err := r.master.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.master.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
}

// receive reads n bytes that the session wrote.
func (r *rig) receive(n int) string {
	r.t.Helper()
	if err := r.master.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 4096)
	for len(got) < n {
		m, err := r.master.Read(buf[:min(len(buf), n-len(got))])
		if err != nil {
			r.t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, buf[:m]...)
	}
	return string(got)
}

func (r *rig) args(change ...func(*abi.SerialOpen)) []byte {
	in := abi.SerialOpen{Port: r.link, OpenTimeoutMS: 300, OpenRetryMS: 10}
	for _, f := range change {
		f(&in)
	}
	return encoded(in)
}

// opened opens a session that is closed when the test ends.
func opened(t *testing.T, g *Group, owner string, args []byte) *Session {
	t.Helper()
	s, err := g.Open(t.Context(), capability.Scope{Owner: owner}, args)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSession(t, s) })
	return s.(*Session)
}

// closeSession closes within a second (abuse case 46).
func closeSession(t *testing.T, s capability.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// taken waits for n events. It does not acknowledge them.
func taken(t *testing.T, s *Session, n int) []capability.Event {
	t.Helper()
	var got []capability.Event
	end := time.After(patience)
	for {
		if got = s.Take(got, n-len(got), 1<<20); len(got) == n {
			return got
		}
		select {
		case <-s.Ready():
		case <-end:
			t.Fatalf("%d events (%s), want %d; condition %+v", len(got), told(got), n, s.Condition())
		}
	}
}

// told writes events as text: frames quoted, the others by name.
func told(events []capability.Event) string {
	words := make([]string, len(events))
	for i, e := range events {
		switch e.Type {
		case abi.EventData:
			words[i] = fmt.Sprintf("%q", e.Data)
		case abi.EventUp:
			words[i] = "up"
		case abi.EventDown:
			words[i] = "down"
		case abi.EventGap:
			words[i] = "gap:" + e.Name
		default:
			words[i] = fmt.Sprintf("type %d", e.Type)
		}
	}
	return strings.Join(words, " ")
}

func expect(t *testing.T, s *Session, want string) {
	t.Helper()
	got := taken(t, s, len(strings.Fields(want)))
	if told(got) != want {
		t.Fatalf("got  %s\nwant %s", told(got), want)
	}
	s.Ack(len(got))
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func write(ctx context.Context, s *Session, data string) (int, error) {
	out, err := s.Call(ctx, functionWrite, abi.SerialWrite{Handle: 1, Data: []byte(data)}.Append(nil), nil)
	if err != nil {
		return 0, err
	}
	var reply abi.SerialWritten
	err = reply.Decode(out)
	return int(reply.Count), err
}
