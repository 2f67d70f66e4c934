package egress_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// names plays DNS: a name has its addresses, or another name, and may change.
type names struct {
	mu      sync.Mutex
	answers map[string][]string // by name, with its last dot
	asked   []string
	serving sync.WaitGroup
}

func newNames(t *testing.T) *names {
	t.Helper()
	n := &names{answers: map[string][]string{}}
	t.Cleanup(n.serving.Wait)
	return n
}

func (n *names) set(name string, answers ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[name+"."] = answers
}

// resolver asks the names by a connection in memory.
func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		n.serving.Go(func() { n.serve(theirs) })
		return ours, nil
	}}
}

// serve answers queries as DNS over TCP has them, until the client hangs up.
func (n *names) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := n.answer(query)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func (n *names) answer(query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, q.Name.String()+" "+q.Type.String())
	name := strings.ToLower(q.Name.String())
	for range 8 {
		var next string
		for _, a := range n.answers[name] {
			head := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET} // TTL 0
			addr, err := netip.ParseAddr(a)
			switch {
			case err != nil:
				next = a + "."
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(next)}})
			case addr.Is4() && q.Type == dnsmessage.TypeA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: addr.As4()}})
			case addr.Is6() && q.Type == dnsmessage.TypeAAAA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	if len(n.answers[strings.ToLower(q.Name.String())]) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}
