package secret

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/snaprail/snaprail/runtime/fault"
)

// StoreKey is the key that seals a store. It is drawn once and never changes;
// it lies beside the store, wrapped under the KEK, since what it opens cannot
// hold it. It does not print.
type StoreKey = KEK

// storeKey says what the wrapped key of a store is for.
const storeKey = "store key"

// storeKeyFile is the content of the file. While the KEK is changed, the key is
// wrapped under the old one and under the new one.
type storeKeyFile struct {
	Format int      `json:"format"`
	Key    [][]byte `json:"key"`
}

// OpenStoreKey reads the key of a store from its file, or makes one under the
// KEK when there is none; fault.KeyWrong: it was wrapped under another KEK.
func OpenStoreKey(path string, kek KEK) (StoreKey, error) {
	key, err := ReadStoreKey(path, kek)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	rand.Read(key[:]) // it ends the process rather than fail
	return AdoptStoreKey(path, kek, key)
}

// AdoptStoreKey makes the file for a key that a store is sealed with already,
// unless there is one, and reads it.
func AdoptStoreKey(path string, kek KEK, key StoreKey) (StoreKey, error) {
	err := writeStoreKey(path, os.Link, kek.wrap(key[:], storeKey))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return StoreKey{}, err
	}
	return ReadStoreKey(path, kek)
}

// ReadStoreKey reads the key of a store. That there is no file is
// fs.ErrNotExist in the fault's chain.
func ReadStoreKey(path string, kek KEK) (StoreKey, error) {
	wrapped, err := readStoreKey(path)
	if err != nil {
		return StoreKey{}, err
	}
	for i, w := range wrapped {
		if kek.fits(w) || i == len(wrapped)-1 {
			key, err := kek.unwrap(w, storeKey)
			if err != nil {
				return StoreKey{}, err
			}
			return StoreKey(key), nil
		}
	}
	return StoreKey{}, damagedKeyFile(path)
}

// RewrapStoreKey wraps the key under these KEKs, and no other, in the place of
// how it was.
func RewrapStoreKey(path string, key StoreKey, keks ...KEK) error {
	wrapped := make([][]byte, len(keks))
	for i, kek := range keks {
		wrapped[i] = kek.wrap(key[:], storeKey)
	}
	return writeStoreKey(path, os.Rename, wrapped...)
}

func readStoreKey(path string) ([][]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	var file storeKeyFile
	if err := json.Unmarshal(raw, &file); err != nil || file.Format != wrapFormat || len(file.Key) == 0 {
		return nil, damagedKeyFile(path)
	}
	return file.Key, nil
}

func writeStoreKey(path string, place func(from, to string) error, wrapped ...[]byte) error {
	raw, err := json.Marshal(storeKeyFile{wrapFormat, wrapped})
	if err == nil {
		err = appear(path, append(raw, '\n'), place)
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the file of the store's key cannot be written").
			WithHint("Make %s a directory that the server may write to.", filepath.Dir(path))
	}
	return nil
}

func damagedKeyFile(path string) error {
	return fault.New(fault.Integrity, "the file %s does not hold the store's wrapped key", path).
		WithHint("Put the file back from a backup; do not delete it, since the store cannot be read without it.")
}
