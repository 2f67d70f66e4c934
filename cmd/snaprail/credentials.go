package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/runtime/fault"
)

// keptLogin is what `login` keeps of one server, for its user alone.
type keptLogin struct {
	Token   string    `json:"token"`
	ID      string    `json:"id"` // of the token
	Tenant  string    `json:"tenant"`
	Name    string    `json:"name"`
	Expires time.Time `json:"expires"`
	// LoggedOut says that there is no token: its user has logged out, and is not
	// to become whoever the token in the data directory is of.
	LoggedOut bool `json:"logged_out,omitempty"`
}

// credentialsFile is the name of the file in the user's config directory with
// the credentials of `login`, by the address of the server.
const credentialsFile = "credentials.json"

// configDir is where a user's own settings are.
func (a *app) configDir() string {
	if dir := a.env("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "snaprail")
	}
	return filepath.Join(a.env("HOME"), ".config", "snaprail")
}

// credentials are those that were kept. A file that cannot be read holds none.
func (a *app) credentials() map[string]keptLogin {
	all := map[string]keptLogin{}
	raw, err := os.ReadFile(filepath.Join(a.configDir(), credentialsFile))
	if err == nil && json.Unmarshal(raw, &all) != nil {
		clear(all)
	}
	return all
}

// keptCredential is the one for the server that is called.
func (a *app) keptCredential() (keptLogin, bool) {
	c, ok := a.credentials()[serverKeyOf(a.server)]
	return c, ok && !c.LoggedOut
}

// loggedOut reports whether the user has logged out of the server that is
// called, and not in again.
func (a *app) loggedOut() bool { return a.credentials()[serverKeyOf(a.server)].LoggedOut }

func serverKeyOf(server string) string { return strings.TrimRight(server, "/") }

// keepCredential puts one into the file, or takes it out with nil.
func (a *app) keepCredential(c *keptLogin) error {
	all := a.credentials()
	if delete(all, serverKeyOf(a.server)); c != nil {
		all[serverKeyOf(a.server)] = *c
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.MkdirAll(a.configDir(), 0o700)
	}
	if err == nil {
		err = replaceSecret(a.configDir(), credentialsFile, string(raw)+"\n")
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "credentials").WithHint("Make %s a directory that you may write to.", a.configDir())
	}
	return nil
}

// maxTyped bounds what is read as a password.
const maxTyped = 4 << 10

// readPassword reads a password: from a terminal without showing it, else the
// first line of stdin. It is never an argument, which others can see.
func (a *app) readPassword(prompt string) (string, error) {
	in, _ := a.in.(*os.File)
	if in == nil || !isTerminal(in) {
		return firstLine(a.in)
	}
	fmt.Fprint(a.err, prompt+": ")
	defer fmt.Fprintln(a.err)
	restore, err := hideTyping(in)
	if err != nil {
		return "", err
	}
	line, err := firstLine(in)
	return line, errors.Join(err, restore())
}

func firstLine(from io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(from, maxTyped)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrClosed) {
		return "", fault.Wrap(fault.Usage, err, "stdin")
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fault.New(fault.Usage, "no password was given").WithHint("Write it to stdin, as in: snaprail login < password.txt")
	}
	return line, nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// hideTyping turns the echo of a terminal off, until restore.
func hideTyping(f *os.File) (restore func() error, err error) {
	fd := int(f.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "terminal")
	}
	hidden := *was
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "terminal")
	}
	return func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, was) }, nil
}
