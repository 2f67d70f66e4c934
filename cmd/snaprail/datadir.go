package main

import (
	"os"
	"path/filepath"
	"strings"
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

// tokenFile is the name of the file with the first token in the data
// directory.
const tokenFile = "token"

// findToken is the token to call with: flag, environment, the data directory's
// own; "" if there is none.
func (a *app) findToken() string {
	if a.token != "" {
		return a.token
	}
	if token := a.env("SNAPRAIL_TOKEN"); token != "" {
		return token
	}
	raw, err := os.ReadFile(filepath.Join(a.dataDir(), tokenFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
