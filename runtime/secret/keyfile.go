package secret

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/snaprail/snaprail/runtime/fault"
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 4 << 10

// ReadKeyFile reads a key from a file, which may not be readable by every user.
// That there is none is fs.ErrNotExist in the fault's chain.
func ReadKeyFile(path string) (KEK, error) {
	info, err := os.Stat(path)
	if err != nil {
		return KEK{}, unreadable(path, err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return KEK{}, fault.New(fault.Denied, "the key file %s is open to every user (mode %04o)", path, mode).
			WithHint("Run `chmod 0600 %s`; if others had access to the machine, take the key as known and change it with `snaprail secret rotate-key`.", path)
	}
	if info.Size() > maxKeyFile {
		return ParseKEK(nil, "the key file "+path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return KEK{}, unreadable(path, err)
	}
	return ParseKEK(raw, "the key file "+path)
}

func unreadable(path string, err error) error {
	return fault.Wrap(fault.Internal, err, "the key file cannot be read").
		WithHint("Let the server's user read %s.", path)
}

// MakeKeyFile reads the key file, or makes it with a random key when there is
// none. The file holds 64 hex digits and a newline, is its owner's alone (0600),
// and appears whole or not at all. Without it everything is lost that it seals,
// so that it belongs in the backup, in another place than the data.
func MakeKeyFile(path string) (KEK, error) {
	k, err := ReadKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	rand.Read(k[:]) // it ends the process rather than fail
	if err := appear(path, []byte(hex.EncodeToString(k[:])+"\n"), os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return KEK{}, fault.Wrap(fault.Internal, err, "the key file cannot be made").
			WithHint("Make %s a directory that the server may write to.", filepath.Dir(path))
	}
	return ReadKeyFile(path) // another process may have been faster
}

// appear writes a file under another name first and then puts it in its place,
// by os.Link, which fails when there is one already, or os.Rename: no reader
// sees half of it, and a power cut leaves the old one or the new one.
func appear(path string, content []byte, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := place(tmp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
