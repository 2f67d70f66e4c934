package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// headerSize is how much of an upload says whether it is a module.
const headerSize = 8

// incoming is an upload on its way: a temporary file and its digest.
type incoming struct {
	file   *os.File
	digest string
	size   int64
}

// receive writes an upload to a temporary file while it hashes it, within the
// bound on its size. What is no module is refused by its first bytes.
func (c *Catalog) receive(body io.Reader) (*incoming, error) {
	head := make([]byte, headerSize)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, broken(err, int64(n))
	}
	if err := wasmbin.CheckHeader(head[:n]); err != nil {
		return nil, err
	}
	body = io.MultiReader(bytes.NewReader(head[:n]), body)
	f, err := os.CreateTemp(c.incoming(), "module-*")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "upload")
	}
	in := &incoming{file: f}
	hash := sha256.New()
	in.size, err = io.Copy(io.MultiWriter(f, hash), io.LimitReader(body, c.cfg.MaxModule+1))
	switch {
	case err != nil:
		in.discard()
		return nil, broken(err, in.size)
	case in.size > c.cfg.MaxModule:
		in.discard()
		return nil, fault.New(fault.ModuleTooLarge, "the module has more than %d bytes", c.cfg.MaxModule)
	}
	in.digest = hex.EncodeToString(hash.Sum(nil))
	return in, nil
}

// broken is what ended an upload early. Whoever hands the body in may know
// better what it was.
func broken(err error, after int64) error {
	if _, known := errors.AsType[*fault.Fault](err); known {
		return err
	}
	if path, ours := errors.AsType[*os.PathError](err); ours {
		return fault.Wrap(fault.Internal, path, "upload")
	}
	return fault.Wrap(fault.BodyInvalid, err, "the upload broke off after %d bytes", after)
}

// bytes reads the upload back.
func (in *incoming) bytes() ([]byte, error) {
	src := make([]byte, in.size)
	if _, err := in.file.ReadAt(src, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Wrap(fault.Internal, err, "upload")
	}
	return src, nil
}

// keep makes the upload the file at path, durably, in one step: a crash leaves
// the whole file or none.
func (in *incoming) keep(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(fault.Internal, err, "module folder")
	}
	if err := in.file.Sync(); err != nil {
		return fault.Wrap(fault.Internal, err, "module file")
	}
	if err := os.Rename(in.file.Name(), path); err != nil {
		return fault.Wrap(fault.Internal, err, "module file")
	}
	for _, d := range []string{dir, filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
		if err := syncDir(d); err != nil {
			return fault.Wrap(fault.Internal, err, "module folder")
		}
	}
	return nil
}

// discard removes the temporary file, if it was not kept.
func (in *incoming) discard() {
	_ = in.file.Close()
	_ = os.Remove(in.file.Name())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
