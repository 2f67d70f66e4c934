package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

// The files of keys in a data directory.
const (
	keyFile      = "key"          // the key-encryption key, when it comes from nowhere else
	nextKeyFile  = "key.next"     // what is to take its place, while it is changed
	storeKeyFile = "store.key"    // the store's key, wrapped under the key-encryption key
	credential   = "snaprail.kek" //nolint:gosec // the name of a file
)

// keySource says where the key-encryption key comes from: a file, the
// environment, a credential of systemd, or else a file in the data directory,
// made at the first start.
type keySource struct {
	file string // of --key-file
	env  func(string) string
}

func (a *app) keys() keySource { return keySource{env: a.env} }

// flag lets a command name the key file.
func (k *keySource) flag(c *cobra.Command) {
	c.Flags().StringVar(&k.file, "key-file", "",
		"`file` with the key that all secrets are sealed under (SNAPRAIL_KEY_FILE; or SNAPRAIL_KEY holds it; default: a file in the data directory)")
}

// outside is the file that holds the key outside of the data directory; "":
// there is none.
func (k keySource) outside() string {
	for _, name := range []string{k.file, k.env("SNAPRAIL_KEY_FILE")} {
		if name != "" {
			return name
		}
	}
	if k.env("SNAPRAIL_KEY") != "" {
		return ""
	}
	if dir := k.env("CREDENTIALS_DIRECTORY"); dir != "" {
		name := filepath.Join(dir, credential)
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
	return ""
}

// own reports whether the key is the one in the data directory.
func (k keySource) own() bool { return k.outside() == "" && k.env("SNAPRAIL_KEY") == "" }

// read reads the key, and makes the file in the data directory if it is to come
// from there and may be made.
func (k keySource) read(dir string, mayMake bool) (secret.KEK, error) {
	if name := k.outside(); name != "" {
		return secret.ReadKeyFile(name)
	}
	if text := k.env("SNAPRAIL_KEY"); text != "" {
		return secret.ParseKEK([]byte(text), "SNAPRAIL_KEY")
	}
	if mayMake {
		return secret.MakeKeyFile(filepath.Join(dir, keyFile))
	}
	return secret.ReadKeyFile(filepath.Join(dir, keyFile))
}

// open reads the key-encryption key and, with it, the key of the store. A store
// that was made when its key still lay open in the key file gets its file of the
// wrapped key now.
func (k keySource) open(dir string) (kek secret.KEK, key badger.Key, err error) {
	wrapped := filepath.Join(dir, storeKeyFile)
	fresh := absent(wrapped) && absent(filepath.Join(dir, "store"))
	if absent(wrapped) && !fresh {
		old, err := secret.ReadKeyFile(filepath.Join(dir, keyFile))
		if err != nil {
			return kek, key, fault.Wrap(fault.KeyWrong, err, "there is a store without its key, %s", wrapped).
				WithHint("Put the file back from a backup; the store cannot be read without it.")
		}
		if _, err := secret.AdoptStoreKey(wrapped, old, old); err != nil {
			return kek, key, err
		}
	}
	if kek, err = k.read(dir, fresh); err != nil {
		return kek, key, keyMissing(err)
	}
	opened, err := secret.OpenStoreKey(wrapped, kek)
	return kek, badger.Key(opened), err
}

func keyMissing(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fault.Wrap(fault.KeyWrong, err, "the key that everything is sealed under is not there").
		WithHint("Name its file with --key-file or SNAPRAIL_KEY_FILE, or put it back; a new key opens nothing.")
}

func absent(name string) bool {
	_, err := os.Stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// tokenBeside is what to do about a token in a data directory without its key.
const tokenBeside = "delete the file once those who need a token have one of their own (`snaprail login`); `snaprail token revoke` ends it everywhere"

// warn says where the key lies, when that is beside what it seals, and that a
// token lies where the key does not.
func (k keySource) warn(dir string, log *slog.Logger) {
	if k.own() {
		log.Warn("the key that seals all secrets lies beside them: who copies the data directory has both",
			"file", filepath.Join(dir, keyFile), "hint", "keep it elsewhere with `snaprail secret rotate-key --new-key-file`")
		return
	}
	if keptToken(dir) != "" {
		log.Warn("a token lies in the data directory, though the key does not: who copies the directory can log in",
			"file", filepath.Join(dir, tokenFile), "hint", tokenBeside)
	}
}
