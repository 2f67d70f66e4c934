// Package file reads files of the host that were granted (group file).
package file

import (
	"fmt"
	"io"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// File is an open file. The host closes it with the guest.
type File struct {
	handle uint32
}

var _ io.ReaderAt = File{}

// Open opens a file for reading. The error is an *abi.Error of kind not found
// or denied, among others.
func Open(path string) (File, error) {
	reply, err := hostOpen(abi.FileOpen{Path: path}.Append(hostcall.Request()))
	if err != nil {
		return File{}, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return File{}, err
	}
	return File{handle: h.Handle}, nil
}

// ReadAt fills p from an offset on. It is io.ReaderAt: fewer bytes than asked
// for come with an error, io.EOF at the end of the file.
func (f File) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("file: negative offset %d", offset)
	}
	read := 0
	for read < len(p) {
		data, err := f.read(uint64(offset)+uint64(read), len(p)-read)
		if err != nil {
			return read, err
		}
		if len(data.Data) == 0 {
			return read, io.EOF
		}
		read += copy(p[read:], data.Data)
	}
	return read, nil
}

// Size is the length of the file as it is now.
func (f File) Size() (int64, error) {
	data, err := f.read(0, 0)
	return int64(data.Size), err
}

func (f File) read(offset uint64, n int) (abi.FileData, error) {
	var data abi.FileData
	request := abi.FileRead{Handle: f.handle, Offset: offset, Max: uint32(n)}
	reply, err := hostRead(request.Append(hostcall.Request()))
	if err != nil {
		return data, err
	}
	return data, data.Decode(reply)
}
