package extism

import (
	"encoding/json"
	"fmt"
	"net/url"

	sdk "github.com/extism/go-sdk"
)

// maxRequest bounds a request that is read for the sake of its refusal.
const maxRequest = 64 << 10

// RefuseRequest is why an HTTP request, whose JSON is in a block, is not made:
// for the guest, no host is allowed.
func (k *Kernel) RefuseRequest(at uint64) error {
	raw := k.Block(at)
	if len(raw) > maxRequest {
		return fmt.Errorf("HTTP request of %d bytes is not allowed", len(raw))
	}
	var request sdk.HttpRequest
	if err := json.Unmarshal(raw, &request); err != nil {
		return fmt.Errorf("invalid http request: %w", err)
	}
	if _, err := url.Parse(request.Url); err != nil {
		return fmt.Errorf("invalid url: %w", err)
	}
	return fmt.Errorf("HTTP request to '%s' is not allowed", request.Url)
}
