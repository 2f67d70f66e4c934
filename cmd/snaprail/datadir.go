package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// dataDir is where a server keeps its data, and a client on the same machine
// finds the token.
func (a *app) dataDir() string {
	if dir := a.env("SNAPRAIL_DATA"); dir != "" {
		return dir
	}
	home := a.env("HOME")
	if os.Geteuid() == 0 || home == "" {
		return "/var/lib/snaprail"
	}
	return filepath.Join(home, ".local", "share", "snaprail")
}

// tokenFile is the name of the file in the data directory with the token that
// this machine's commands use: the first one.
const tokenFile = "token"

// findToken is the token to call with: flag, environment, the one that login
// has kept for the server, the data directory's own; "" if there is none.
func (a *app) findToken() string {
	if a.token != "" {
		return a.token
	}
	if token := a.env("SNAPRAIL_TOKEN"); token != "" {
		return token
	}
	if kept, ok := a.keptCredential(); ok {
		return kept.Token
	}
	if a.loggedOut() { // who has left is not to come back as another
		return ""
	}
	return keptToken(a.dataDir())
}

// keptToken is the token in a data directory; "" if none can be read.
func keptToken(dir string) string {
	raw, err := os.ReadFile(filepath.Join(dir, tokenFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// keepToken puts a token into a data directory, for its owner alone. When it
// returns nil, a power cut does not undo it.
func keepToken(dir, token string) error {
	err := replaceSecret(dir, tokenFile, token+"\n")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "token file").
			WithHint("Make %s a directory that you may write to.", dir)
	}
	return nil
}

func replaceSecret(dir, name, text string) error {
	tmp, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return err
	}
	err = writeOut(tmp, 0o600, []byte(text))
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
