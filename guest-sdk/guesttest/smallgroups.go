package guesttest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Datagrams plays the group udp.
type Datagrams struct {
	// Sent are the datagrams by address.
	Sent map[string][]string

	tb     testing.TB
	opened []abi.UDPOpen // the handle is 1 + the index
}

// UDP grants the group udp on every address.
func (h *Harness) UDP() *Datagrams {
	d := &Datagrams{tb: h.tb, Sent: map[string][]string{}}
	h.Host("udp", "open", func(request []byte) ([]byte, error) {
		var args abi.UDPOpen
		if err := args.Decode(request); err != nil {
			return nil, err
		}
		at := slices.Index(d.opened, args)
		if at < 0 {
			at = len(d.opened)
			d.opened = append(d.opened, args)
		}
		return abi.Handle{Handle: uint32(at + 1)}.Append(nil), nil
	})
	h.Host("udp", "send", func(request []byte) ([]byte, error) {
		var q abi.UDPSend
		if err := q.Decode(request); err != nil {
			return nil, err
		}
		if q.Handle == 0 || int(q.Handle) > len(d.opened) {
			return nil, notFound(fmt.Sprintf("no handle %d", q.Handle))
		}
		address := d.opened[q.Handle-1].Address
		for _, data := range q.Datagrams {
			d.Sent[address] = append(d.Sent[address], string(data))
		}
		return abi.UDPSent{Count: uint32(len(q.Datagrams))}.Append(nil), nil
	})
	return d
}

// Datagram is the event of a datagram from an open peer.
func (d *Datagrams) Datagram(address, data string) abi.Event {
	d.tb.Helper()
	at := slices.IndexFunc(d.opened, func(o abi.UDPOpen) bool { return o.Address == address })
	if at < 0 {
		d.tb.Fatalf("%s is not open", address)
	}
	return abi.Event{Type: abi.EventData, Handle: uint32(at + 1), Time: 1, Data: []byte(data)}
}

// Random grants the group random on bytes that count up from 0.
func (h *Harness) Random() {
	var next byte
	h.Host("random", "read", func(request []byte) ([]byte, error) {
		var q abi.RandomRead
		if err := q.Decode(request); err != nil {
			return nil, err
		}
		data := make([]byte, q.Count)
		for i := range data {
			data[i] = next
			next++
		}
		return abi.RandomBytes{Data: data}.Append(nil), nil
	})
}

// Metrics grants the group metrics and collects the changes.
func (h *Harness) Metrics() *[]abi.Metric {
	all := new([]abi.Metric)
	h.Host("metrics", "record", func(request []byte) ([]byte, error) {
		var q abi.MetricsRecord
		if err := q.Decode(slices.Clone(request)); err != nil {
			return nil, err
		}
		*all = append(*all, q.Metrics...)
		return nil, nil
	})
	return all
}

// Notifications grants the group notify and collects what was sent. Unlike a host
// it keeps that of a step which failed.
func (h *Harness) Notifications() *[]abi.NotifySend {
	all := new([]abi.NotifySend)
	h.Host("notify", "send", func(request []byte) ([]byte, error) {
		var q abi.NotifySend
		if err := q.Decode(request); err != nil {
			return nil, err
		}
		*all = append(*all, q)
		return nil, nil
	})
	return all
}

// Blobs grants the group files on contents by name.
func (h *Harness) Blobs(contents map[string]string) {
	info := func(name string) abi.FileInfo {
		sum := sha256.Sum256([]byte(contents[name]))
		return abi.FileInfo{Name: name, Size: uint64(len(contents[name])), ContentType: "application/octet-stream", SHA256: hex.EncodeToString(sum[:])}
	}
	h.Host("files", "list", func(request []byte) ([]byte, error) {
		var q abi.FilesList
		if err := q.Decode(request); err != nil {
			return nil, err
		}
		var page abi.FilePage
		for _, name := range slices.Sorted(maps.Keys(contents)) {
			if name > q.After || q.After == "" {
				page.Files = append(page.Files, info(name))
			}
		}
		return page.Append(nil), nil
	})
	h.Host("files", "stat", func(request []byte) ([]byte, error) {
		var q abi.FilesStat
		if err := q.Decode(request); err != nil {
			return nil, err
		}
		if _, ok := contents[q.Name]; !ok {
			return nil, notFound("no file " + q.Name)
		}
		return info(q.Name).Append(nil), nil
	})
	h.Host("files", "read", func(request []byte) ([]byte, error) {
		var q abi.FilesRead
		if err := q.Decode(request); err != nil {
			return nil, err
		}
		content, ok := contents[q.Name]
		if !ok {
			return nil, notFound("no file " + q.Name)
		}
		data := abi.FileData{Size: uint64(len(content))}
		if q.Offset < data.Size {
			rest := content[q.Offset:]
			data.Data = []byte(rest[:min(len(rest), int(q.Max))])
		}
		return data.Append(nil), nil
	})
}
