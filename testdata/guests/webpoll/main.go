// Command webpoll is a connector for the host's tests, in poll mode: it asks a
// web server and emits what it answered, or the error.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

var _ = snaprail.Register(&web{})

func main() {}

type web struct {
	Method  string       `json:"method"`
	URL     string       `json:"url"`
	Headers http.Headers `json:"headers"`
}

func (w *web) Open(in *abi.OpenInput, step *snaprail.Step) error {
	step.PutDevice("web", "web", "web")
	return snaprail.Config(in, w)
}

// Poll emits status, length and body, or the code of the error.
func (w *web) Poll(_ []byte, step *snaprail.Step) error {
	reply, err := http.Do(http.Request{Method: w.Method, URL: w.URL, Headers: w.Headers})
	text := fmt.Sprintf("%d %d %.200s", reply.Status, len(reply.Body), reply.Body)
	if fault, ok := errors.AsType[*abi.Error](err); ok {
		text = fault.Code
	}
	step.Payload("web", time.Now().UnixNano(), "text/plain", []byte(text))
	return nil
}
