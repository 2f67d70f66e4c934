package badger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Key is the secret that seals a store. It does not print.
type Key [32]byte

// Format writes the same text for every key and verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// LoadKey reads the key file, or makes it with a random key when there is
// none. The file holds 64 hex digits and a newline, is readable by its owner
// alone (0400), and appears whole or not at all. Without it the store is lost,
// so that it belongs in the backup, in another place than the store's.
func LoadKey(path string) (Key, error) {
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := createKey(path); err != nil {
		return Key{}, fault.Wrap(fault.Internal, err, "the key file cannot be made").
			WithHint("Make %s a directory that the server may write to.", filepath.Dir(path))
	}
	return readKey(path) // another process may have been faster
}

func readKey(path string) (k Key, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return k, fault.Wrap(fault.Internal, err, "the key file cannot be read").
			WithHint("Let the server's user read %s.", path)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return k, fault.New(fault.Denied, "the key file %s is open to every user (mode %04o)", path, mode).
			WithHint("Run `chmod 0400 %s`; if others had access to the machine, take the key as known.", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return k, fault.Wrap(fault.Internal, err, "the key file cannot be read").
			WithHint("Let the server's user read %s.", path)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(k) {
		return k, fault.New(fault.Integrity, "the key file %s does not hold 64 hex digits", path).
			WithHint("Put the store's own key file back; do not delete it, since the store cannot be read without it.")
	}
	return Key(raw), nil
}

// createKey makes the file under another name first and then links it, which
// fails when there is one already: no reader sees half a key, and no key is
// ever replaced.
func createKey(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var k Key
	rand.Read(k[:])                          // it ends the process rather than fail
	tmp, err := os.CreateTemp(dir, ".key-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(hex.EncodeToString(k[:]) + "\n")
	err = errors.Join(err, tmp.Chmod(0o400), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
