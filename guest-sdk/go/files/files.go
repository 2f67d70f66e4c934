// Package files reads the files that belong to the connector (group files): those
// that a user has chosen for its parameters. There are no paths and no other files;
// a name is that of the parameter. A file that another one takes the place of is the
// other one from the next reading on.
package files

import (
	"fmt"
	"io"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// List is what there is, by name.
func List() (all []abi.FileInfo, err error) {
	request := abi.FilesList{}
	for {
		reply, err := hostList(request.Append(hostcall.Request()))
		if err != nil {
			return all, err
		}
		var page abi.FilePage
		if err := page.Decode(reply); err != nil {
			return all, err
		}
		all = append(all, page.Files...)
		if !page.More || len(page.Files) == 0 {
			return all, nil
		}
		request.After = page.Files[len(page.Files)-1].Name
	}
}

// Stat is what there is to know of a file. The error is an *abi.Error, not found
// when the parameter has none.
func Stat(name string) (info abi.FileInfo, err error) {
	reply, err := hostStat(abi.FilesStat{Name: name}.Append(hostcall.Request()))
	if err == nil {
		err = info.Decode(reply)
	}
	return info, err
}

// File is one of them, read at any place.
type File string

var _ io.ReaderAt = File("")

// ReadAt implements io.ReaderAt.
func (f File) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fmt.Errorf("files: negative offset %d", offset)
	}
	for n < len(p) {
		at := uint64(offset) + uint64(n)
		request := abi.FilesRead{Name: string(f), Offset: at, Max: uint32(min(len(p)-n, maxPiece))}
		reply, err := hostRead(request.Append(hostcall.Request()))
		if err != nil {
			return n, err
		}
		var data abi.FileData
		if err := data.Decode(reply); err != nil {
			return n, err
		}
		n += copy(p[n:], data.Data)
		if len(data.Data) == 0 || at+uint64(len(data.Data)) >= data.Size && n < len(p) {
			return n, io.EOF
		}
	}
	return n, nil
}

// maxPiece is how much is asked for at once, in bytes.
const maxPiece = 256 << 10

// Read is a whole file.
func Read(name string) ([]byte, error) {
	info, err := Stat(name)
	if err != nil {
		return nil, err
	}
	p := make([]byte, info.Size)
	n, err := File(name).ReadAt(p, 0)
	if err == io.EOF { //nolint:errorlint // as ReadAt answers it
		err = nil
	}
	return p[:n], err
}
