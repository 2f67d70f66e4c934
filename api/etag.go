package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/snaprail/snaprail/runtime/fault"
)

// tag gives what is read singly an ETag, if its handler has none of its own: a
// weak one, of what is shown. A revision is a better one, since it does not
// change with what a connector does.
func tag(ctx huma.Context, body any) error {
	h := humaecho.Unwrap(ctx).Response().Header()
	if h.Get("ETag") != "" || !single(ctx.Operation()) {
		return nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "answer")
	}
	sum := sha256.Sum256(raw)
	h.Set("ETag", `W/"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	return nil
}

// single reports whether an operation reads one thing, and not a list.
func single(op *huma.Operation) bool {
	return op.Method == http.MethodGet && strings.HasPrefix(op.Path, "/api/") && !has(op, "limit")
}

// parseRevision reads If-Match: "7", W/"7"; 0 for none and for *.
func parseRevision(header string) (uint64, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return 0, nil
	}
	tag := strings.TrimPrefix(header, "W/")
	n, err := strconv.ParseUint(strings.Trim(tag, `"`), 10, 64)
	if err != nil || n == 0 || len(tag) < 2 || tag[0] != '"' {
		return 0, fault.New(fault.StaleRevision, "If-Match %q is not the ETag of any revision", header).
			WithHint(`Send the ETag of the revision that you read, with its quotes: "7".`)
	}
	return n, nil
}

// etag is a revision as a strong ETag.
func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }
