// Command s3 is a storage in a bucket of Amazon S3, or of a server that speaks
// its protocol. README.md says how to configure it.
package main

import (
	"encoding/json"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

var _ = snaprail.Register(&storage{})

func main() {}

// storage is the connector: one bucket.
type storage struct{ bucket bucket }

// Open takes the config. It asks nobody: that is what the test is for.
func (s *storage) Open(in *abi.OpenInput, _ *snaprail.Step) (err error) {
	s.bucket, err = readConfig(in)
	return err
}

// Test sees that the bucket is there and that the keys open it.
func (s *storage) Test(in *abi.OpenInput) abi.TestResult {
	b, err := readConfig(in)
	if err != nil {
		return snaprail.TestFailed(err)
	}
	if err := b.head(); err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{
		Success: true, Message: "the bucket " + b.name + " answers",
		Details: []abi.Header{{Name: "region", Value: []byte(b.signer.region)}, {Name: "host", Value: []byte(b.host)}},
	}
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
		return nil, invalid("bad_arguments", "the arguments cannot be read: "+err.Error())
	}
	if name == "list" {
		return answer(s.bucket.list(args.Prefix, args.Limit))
	}
	if err := checkPath(args.Path); err != nil {
		return nil, err
	}
	switch name {
	case "put":
		return answer(s.bucket.put(args.Path, args.Data, args.ContentType))
	case "get":
		return answer(s.bucket.get(args.Path))
	case "stat":
		return answer(s.bucket.stat(args.Path))
	case "delete":
		return answer(s.bucket.remove(args.Path))
	}
	return nil, snaprail.NoOperation(name)
}

func answer[T any](result T, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

func invalid(code, text string) error {
	return &abi.Error{Kind: abi.FaultInvalid, Code: code, Text: text, Hint: "Correct the arguments and call again."}
}

func failed(kind abi.FaultKind, code, format string, args ...any) error {
	return &abi.Error{Kind: kind, Code: code, Text: fmt.Sprintf(format, args...)}
}
