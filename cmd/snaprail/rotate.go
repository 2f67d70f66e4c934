package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

// rotation is a change of the key-encryption key of a stopped server.
type rotation struct {
	data string
	keys keySource
	next string // file of the new key; "": a new one in the data directory
}

// rotated is what `secret rotate-key -o json` prints.
type rotated struct {
	Old      string `json:"old"` // ids of the keys
	New      string `json:"new"`
	DataKeys int    `json:"data_keys"` // wrapped again
	KeyFile  string `json:"key_file"`
}

func (a *app) secretRotateKey() *cobra.Command {
	o := rotation{keys: a.keys()}
	c := &cobra.Command{
		Use: "rotate-key", Short: "Change the key that all secrets are sealed under, on a stopped server",
		Long: "Rotate-key wraps the data keys of a stopped server again under a new key; the old one opens nothing\n" +
			"of it from then on (but what was copied before). No secret is written. A run that was cut off is finished\n" +
			"by the same command again. Without --new-key-file the key in the data directory is replaced by a new one.",
		Example: "  openssl rand -hex 32 > /etc/snaprail/kek\n" +
			"  snaprail secret rotate-key --data /var/lib/snaprail --new-key-file /etc/snaprail/kek",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			done, err := o.run(c.Context())
			if err != nil {
				return err
			}
			return a.show(done, func() {
				fmt.Fprintf(a.out, "key %s took the place of %s; %d data keys wrapped again\n", done.New, done.Old, done.DataKeys)
				fmt.Fprintf(a.err, "the key is in %s: keep a copy of it elsewhere\n", done.KeyFile)
				if o.next != "" {
					fmt.Fprintf(a.err, "from now on: snaprail serve --key-file %s (or SNAPRAIL_KEY_FILE), and so for every command with --data\n", done.KeyFile)
				}
				if o.next != "" && keptToken(o.data) != "" {
					fmt.Fprintf(a.err, "the token in %s is good without the key: %s\n", filepath.Join(o.data, tokenFile), tokenBeside)
				}
			})
		},
	}
	c.Flags().StringVar(&o.data, "data", a.dataDir(), "data `directory` of the server (SNAPRAIL_DATA)")
	o.keys.flag(c)
	c.Flags().StringVar(&o.next, "new-key-file", "", "`file` with the new key, which the server is told with --key-file from then on")
	return c
}

// run changes the key. The store's key is wrapped under both until the data keys
// are under the new one, so that at no time neither key opens everything but
// while the data keys are written, and then the same command finishes it.
func (o rotation) run(ctx context.Context) (done rotated, err error) {
	wrapped := filepath.Join(o.data, storeKeyFile)
	if absent(filepath.Join(o.data, "store")) {
		return done, fault.New(fault.NotFound, "%s is not the data directory of a server", o.data).
			WithHint("Name it with --data, as `snaprail serve` was told.")
	}
	old, next, err := o.both()
	if err != nil {
		return done, err
	}
	done = rotated{Old: old.ID(), New: next.ID(), KeyFile: o.next}
	key, err := secret.ReadStoreKey(wrapped, old)
	if fault.Is(err, fault.KeyWrong) {
		if again, finished := secret.ReadStoreKey(wrapped, next); finished == nil {
			key, err = again, nil // cut off at the very end
		}
	}
	if err != nil {
		return done, err
	}
	s, err := openStore(o.data, badger.Key(key))
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := secret.RewrapStoreKey(wrapped, key, old, next); err != nil {
		return done, err
	}
	if done.DataKeys, err = secret.Rewrap(ctx, s.System(), old, next); err != nil {
		return done, err
	}
	if err := secret.RewrapStoreKey(wrapped, key, next); err != nil {
		return done, err
	}
	if o.next != "" {
		return done, o.dropOwn()
	}
	done.KeyFile = filepath.Join(o.data, keyFile)
	return done, o.takePlace()
}

// both are the old key and the new one, which are not the same.
func (o rotation) both() (old, next secret.KEK, err error) {
	if old, _, err = o.keys.open(o.data); err != nil && !fault.Is(err, fault.KeyWrong) {
		return old, next, err
	}
	if old == (secret.KEK{}) { // there was none to read
		return old, next, err
	}
	switch {
	case o.next != "":
		next, err = secret.ReadKeyFile(o.next)
	case !o.keys.own():
		return old, next, fault.New(fault.Usage, "the key comes from outside of the data directory: name the new one with --new-key-file").
			WithHint("Make one with `openssl rand -hex 32`.")
	default:
		next, err = secret.MakeKeyFile(filepath.Join(o.data, nextKeyFile))
	}
	if err == nil && next == old {
		err = fault.New(fault.Usage, "the new key is the old one").WithHint("Make one with `openssl rand -hex 32`.")
	}
	return old, next, err
}

// dropOwn removes the key file of the data directory when its key has moved out:
// it opens nothing any more, and would be read first by whoever forgets to name
// the new one.
func (o rotation) dropOwn() error {
	if !o.keys.own() {
		return nil
	}
	err := os.Remove(filepath.Join(o.data, keyFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Internal, err, "the key has changed, and the old file could not be removed").
			WithHint("Remove %s by hand.", filepath.Join(o.data, keyFile))
	}
	return syncDir(o.data)
}

// takePlace puts the new key in the place of the old one.
func (o rotation) takePlace() error {
	err := os.Rename(filepath.Join(o.data, nextKeyFile), filepath.Join(o.data, keyFile))
	if err == nil {
		err = syncDir(o.data)
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the new key could not take the old one's place; run the command again")
	}
	return nil
}
