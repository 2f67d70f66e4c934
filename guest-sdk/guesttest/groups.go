package guesttest

import (
	"fmt"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Log grants the group log and collects the lines.
func (h *Harness) Log() *[]abi.LogLine {
	lines := new([]abi.LogLine)
	h.Host("log", "write", func(request []byte) ([]byte, error) {
		var line abi.LogLine
		if err := line.Decode(request); err != nil {
			return nil, err
		}
		*lines = append(*lines, line)
		return nil, nil
	})
	return lines
}

// KV grants the group kv on a map, which the test may fill and read. Unlike a
// host it does not take back the writes of a step that failed.
func (h *Harness) KV() map[string][]byte {
	kept := make(map[string][]byte)
	h.Host("kv", "get", func(request []byte) ([]byte, error) {
		var key abi.KVKey
		if err := key.Decode(request); err != nil {
			return nil, err
		}
		value, found := kept[key.Key]
		return abi.KVValue{Found: found, Value: value}.Append(nil), nil
	})
	h.Host("kv", "put", func(request []byte) ([]byte, error) {
		var put abi.KVPut
		if err := put.Decode(request); err != nil {
			return nil, err
		}
		if put.Delete {
			delete(kept, put.Key)
		} else {
			kept[put.Key] = append([]byte{}, put.Value...)
		}
		return nil, nil
	})
	return kept
}

// Clock grants the group clock on a time that starts where the test says and
// moves by the guest's sleeps alone. It answers that time.
func (h *Harness) Clock(start time.Time) *time.Time {
	now := &start
	begin := start
	h.Host("clock", "now", func([]byte) ([]byte, error) {
		return abi.ClockNow{UnixNS: now.UnixNano(), MonotonicNS: int64(now.Sub(begin))}.Append(nil), nil
	})
	h.Host("clock", "sleep", func(request []byte) ([]byte, error) {
		var sleep abi.ClockSleep
		if err := sleep.Decode(request); err != nil {
			return nil, err
		}
		*now = now.Add(time.Duration(sleep.NS))
		return nil, nil
	})
	return now
}

// Files grants the group file on contents by path, which the test may change
// between calls.
func (h *Harness) Files(contents map[string]string) {
	var paths []string
	h.Host("file", "open", func(request []byte) ([]byte, error) {
		var open abi.FileOpen
		if err := open.Decode(request); err != nil {
			return nil, err
		}
		if _, ok := contents[open.Path]; !ok {
			return nil, notFound("no file " + open.Path)
		}
		paths = append(paths, open.Path)
		return abi.Handle{Handle: uint32(len(paths))}.Append(nil), nil
	})
	h.Host("file", "read", func(request []byte) ([]byte, error) {
		var read abi.FileRead
		if err := read.Decode(request); err != nil {
			return nil, err
		}
		if read.Handle == 0 || int(read.Handle) > len(paths) {
			return nil, notFound(fmt.Sprintf("no handle %d", read.Handle))
		}
		content := contents[paths[read.Handle-1]]
		data := abi.FileData{Size: uint64(len(content))}
		if read.Offset < data.Size {
			rest := content[read.Offset:]
			data.Data = []byte(rest[:min(len(rest), int(read.Max))])
		}
		return data.Append(nil), nil
	})
}

func notFound(text string) error {
	return &abi.Error{Kind: abi.FaultNotFound, Code: "not_found", Text: text}
}
