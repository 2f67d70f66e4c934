// Command blabber is a connector for the host's tests: it says its password
// wherever a guest can say anything.
package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/file"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&blabber{})

func main() {}

type blabber struct {
	Password string `json:"password"`
	End      string `json:"end"` // how it ends: error, refuse, panic, test, or not at all
}

func (b *blabber) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	if err := snaprail.Config(in, b); err != nil {
		return err
	}
	b.blab()
	if b.End == "error" {
		return errors.New("error: the password is " + b.Password)
	}
	return nil
}

// blab uses every way out that is open to a guest that goes on.
func (b *blabber) blab() {
	log.Info("log: the password is " + b.Password)
	log.Write(abi.LogWarning, b.Password, "target")
	log.Info("basic: " + base64.StdEncoding.EncodeToString([]byte("me:"+b.Password)))
	fmt.Println("stdout: the password is", b.Password)
	fmt.Fprintln(os.Stderr, "stderr: the password is", b.Password)
	_, _ = file.Open("/granted/" + b.Password)
	_, _ = file.Open("/secret/" + b.Password)
}

func (b *blabber) Poll([]byte, *snaprail.Step) error {
	switch b.End {
	case "refuse":
		return errors.New("refuse: the password is " + b.Password)
	case "panic":
		panic("panic: the password is " + b.Password)
	}
	return nil
}

func (b *blabber) Test(in *abi.OpenInput) abi.TestResult {
	if err := snaprail.Config(in, b); err != nil {
		return abi.TestResult{Message: err.Error()}
	}
	b.blab()
	return abi.TestResult{
		Success: b.End != "test", Message: "test: the password is " + b.Password,
		Details: []abi.Header{{Name: "detail", Value: []byte("detail: " + b.Password)}, {Name: b.Password, Value: []byte("name")}},
	}
}
