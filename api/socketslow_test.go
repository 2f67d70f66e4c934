package api

import (
	"bufio"
	"context"
	bytesof "encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// narrow dials with a small window, so that little is on the way to a client
// that does not read.
func narrow(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp, _ := conn.(*net.TCPConn)
	return conn, tcp.SetReadBuffer(4096)
}

// narrowed is the server behind connections that buffer little.
func (r *rig) narrowed() {
	server := httptest.NewUnstartedServer(r.api)
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(4096) // the kernel may do as it likes
		}
		return ctx
	}
	server.Start()
	r.http.Close()
	r.http = server
}

// TestSlowReadersOfRepliesCostLittle: whoever asks for much and reads nothing
// holds up nobody for long, costs 64 KiB, and is told when they read on.
func TestSlowReadersOfRepliesCostLittle(t *testing.T) {
	const most = 64<<10 + 32<<10 // and what is being written, and the connection
	r := newRig(t)
	c := r.parley("talk")
	tenant, err := r.super.Tenant("plant")
	r.must(err)
	r.api.pace.slow = time.Minute
	r.narrowed()
	k := []*wire{r.wireAs(r.token, narrow), r.wireAs(r.token, narrow)}
	var before int64
	for i := range k {
		before = heap() // behind the first: what all of them share is there once
		k[i].tell(`{"id":"q","op":"query","connector":"talk","message":{"data":{"do":"emit","n":40,"kib":8},"timeout":"1m"}}`)
		r.until("the end of the question", func() bool { return tenant.Exchange(c.ID).Counters().Slow == uint64(i+1) })
	}
	got := heap() - before
	t.Logf("%d bytes of heap for a client", got)
	if got > most {
		t.Errorf("%d bytes of heap for a client", got)
	}
	for i := range k { // whoever is still there hears why
		k[i].hear()
		var last client.SocketEvent
		for !last.Final {
			last = k[i].hear()
		}
		if last.Reply == nil || last.Reply.Error == nil || last.Reply.Error.Code != fault.SlowReader.String() {
			t.Errorf("%+v", last)
		}
	}
}

// TestSocketThatStoppedIsDropped: a client that takes nothing is cut off.
func TestSocketThatStoppedIsDropped(t *testing.T) {
	r := newRig(t)
	body := strings.Repeat(strings.Repeat("x", 250<<10)+"\n", 60)
	r.must(writeFile(r.dir+"/big.txt", body))
	r.post("/api/connectors", tailSpec("big", r.upload("filetail").Digest, r.dir+"/big.txt"))
	r.post("/api/connectors/big/activate", "")
	r.until("the records", func() bool { return r.records("big") == 60 })
	r.api.pace.slow = 25 * time.Millisecond
	k := r.wireAs(r.token, narrow)
	k.tell(`{"id":"s","op":"stream","from":"start"}`)
	r.until("the drop", func() bool { return r.api.streams.count() == 0 })
	if metrics := r.call("GET", "/metrics", "").body; !strings.Contains(string(metrics), "snaprail_sse_stalled_total 1\n") {
		t.Error(grep(metrics, "sse"))
	}
}

// pipe is a connection without any buffer, to be hijacked.
type pipe struct {
	*httptest.ResponseRecorder
	net.Conn
}

func (p pipe) Write(b []byte) (int, error) { return p.ResponseRecorder.Write(b) }

func (p pipe) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return p.Conn, bufio.NewReadWriter(bufio.NewReader(p.Conn), bufio.NewWriter(p.Conn)), nil
}

// masked is a text frame as a client sends it, short and with a mask of zeros.
func maskedFrame(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

// frame reads a frame of the server.
func frame(t *testing.T, from io.Reader) (op byte, payload string) {
	t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(from, head); err != nil {
		t.Fatal(err)
	}
	n := int(head[1])
	if n == 126 {
		long := make([]byte, 2)
		if _, err := io.ReadFull(from, long); err != nil {
			t.Fatal(err)
		}
		n = int(bytesof.BigEndian.Uint16(long))
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(from, body); err != nil {
		t.Fatal(err)
	}
	return head[0] & 0xf, string(body)
}

// TestSocketTellsWhoLags: a client that reads, but too slowly, hears why it is
// dropped.
func TestSocketTellsWhoLags(t *testing.T) {
	r := newRig(t)
	r.api.pace.slow = time.Second
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	q := httptest.NewRequest(http.MethodGet, "/api/socket", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Authorization": "Bearer " + r.token,
	} {
		q.Header.Set(name, value)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		r.api.ServeHTTP(pipe{httptest.NewRecorder(), near}, q)
	}()
	if _, text := frame(t, far); !strings.Contains(text, `"hello"`) {
		t.Fatal(text)
	}
	_, err := far.Write(maskedFrame(`{"id":"1","op":"ping"}`))
	r.must(err)
	wait := time.NewTimer(1400 * time.Millisecond) // more than is borne, and less than what cuts off
	defer wait.Stop()
	<-wait.C
	if _, text := frame(t, far); !strings.Contains(text, `"pong"`) {
		t.Error(text)
	}
	if _, text := frame(t, far); !strings.Contains(text, `"op":"notice"`) || !strings.Contains(text, fault.SlowReader.String()) {
		t.Error(text)
	}
	op, payload := frame(t, far)
	if op != 8 || websocket.StatusCode(bytesof.BigEndian.Uint16([]byte(payload))) != websocket.StatusPolicyViolation {
		t.Errorf("%d %q", op, payload)
	}
	_ = far.Close()
	<-served
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}
