// Command googledrive is a storage in Google Drive, for which somebody agrees in
// a browser (OAuth). README.md says how to configure and connect it.
package main

import (
	"encoding/json"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

var _ = snaprail.Register(&storage{})

func main() {}

// storage is the connector: one folder of a drive.
type storage struct{ drive drive }

// settings are the config.
type settings struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	AccessToken  string `json:"access_token"`
	RedirectURI  string `json:"redirect_uri"`
	Folder       string `json:"folder"`
	APIURL       string `json:"api_url"`
	TokenURL     string `json:"token_uri"`
}

func defaults() settings {
	//nolint:gosec // an address, and no credential
	return settings{Folder: "root", APIURL: "https://www.googleapis.com", TokenURL: "https://oauth2.googleapis.com/token"}
}

// Open takes the config. It asks nobody: that is what the test is for.
func (s *storage) Open(in *abi.OpenInput, _ *snaprail.Step) (err error) {
	s.drive, err = readConfig(in)
	return err
}

func readConfig(in *abi.OpenInput) (drive, error) {
	set := defaults()
	if err := snaprail.Config(in, &set); err != nil {
		return drive{}, err
	}
	for _, required := range []struct{ name, value string }{{"client_id", set.ClientID}, {"client_secret", set.ClientSecret}} {
		if required.value == "" {
			return drive{}, &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_config", Text: required.name + " is required", Hint: "Import the file of the OAuth client."}
		}
	}
	return drive{api: strings.TrimRight(set.APIURL, "/"), token: set.AccessToken, folder: set.Folder}, nil
}

// Test asks whose drive it is.
func (s *storage) Test(in *abi.OpenInput) abi.TestResult {
	d, err := readConfig(in)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	account, err := d.account()
	if err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{
		Success: true, Message: "the drive of " + account + " answers",
		Details: []abi.Header{{Name: "account", Value: []byte(account)}},
	}
}

// NormalizeImport takes off the wrapper that Google puts around the keys of an
// OAuth client.
func (s *storage) NormalizeImport(object []byte) ([]byte, error) {
	var wrapped map[string]json.RawMessage
	if err := json.Unmarshal(object, &wrapped); err != nil {
		return nil, invalid("it is no JSON object")
	}
	for _, name := range []string{"installed", "web"} {
		if inner, ok := wrapped[name]; ok && strings.HasPrefix(string(inner), "{") {
			return inner, nil
		}
	}
	return object, nil
}

// arguments are those of all operations. Data travels in base64.
type arguments struct {
	Path        string `json:"path"`
	Data        []byte `json:"data"`
	ContentType string `json:"content_type"`
	Prefix      string `json:"prefix"`
	Limit       int    `json:"limit"`
}

// Operate serves the operations of the category storage.
func (s *storage) Operate(name string, raw []byte) ([]byte, error) {
	var args arguments
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, invalid("the arguments cannot be read: " + err.Error())
	}
	if name == "list" {
		return answer(s.drive.list(args.Prefix, args.Limit))
	}
	const most = 1024
	if args.Path == "" || len(args.Path) > most {
		return nil, invalid("path is a text of 1 to 1024 bytes")
	}
	switch name {
	case "put":
		return answer(s.drive.put(args.Path, args.Data, args.ContentType))
	case "get":
		return answer(s.drive.get(args.Path))
	case "stat":
		return answer(s.drive.stat(args.Path))
	case "delete":
		return answer(s.drive.remove(args.Path))
	}
	return nil, snaprail.NoOperation(name)
}

func answer[T any](result T, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

func invalid(text string) error {
	return &abi.Error{Kind: abi.FaultInvalid, Code: "bad_arguments", Text: text, Hint: "Correct the arguments and call again."}
}
