// Command filetail is a connector for the host's tests, in poll mode: it reads
// a file line by line. Its cursor is the offset of the first line that it has
// not emitted, so that a source of it can be read again from any point.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/file"
)

var _ = snaprail.Register(&tail{})

func main() {}

// maxBytes is what one poll reads, and so the longest line.
const maxBytes = 256 << 10

type tail struct {
	Path   string `json:"path"`
	Device string `json:"device"`

	file   file.File
	buffer []byte
	cursor []byte
}

func (t *tail) Open(in *abi.OpenInput, step *snaprail.Step) error {
	t.Device = "file"
	if err := snaprail.Config(in, t); err != nil {
		return err
	}
	opened, err := file.Open(t.Path)
	if err != nil {
		return fmt.Errorf("open %s: %w", t.Path, err)
	}
	t.file, t.buffer = opened, make([]byte, maxBytes)
	step.PutDevice(t.Device, "file", t.Path)
	return nil
}

// Poll emits the whole lines from the cursor on. It asks for the next poll at
// once while there are more.
func (t *tail) Poll(cursor []byte, step *snaprail.Step) error {
	offset, err := strconv.ParseInt("0"+string(cursor), 10, 64)
	if err != nil {
		return fmt.Errorf("the cursor %q is no offset: %w", cursor, err)
	}
	n, err := t.file.ReadAt(t.buffer, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	rest, now := t.buffer[:n], time.Now().UnixNano()
	lines := 0
	for ; lines < abi.MaxItems; lines++ {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		step.Payload(t.Device, now, "text/plain", rest[:end+1])
		rest = rest[end+1:]
	}
	if lines == 0 {
		return tooLong(n)
	}
	t.cursor = strconv.AppendInt(t.cursor[:0], offset+int64(n-len(rest)), 10)
	step.SetCursor(t.cursor)
	if lines == abi.MaxItems || n == maxBytes {
		step.NextPoll(time.Millisecond)
	}
	return nil
}

func tooLong(n int) error {
	if n < maxBytes {
		return nil
	}
	return &abi.Error{Kind: abi.FaultTooLarge, Code: "line_too_long", Text: fmt.Sprintf("a line is longer than %d bytes", maxBytes)}
}
