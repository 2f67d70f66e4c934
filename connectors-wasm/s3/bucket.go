package main

import (
	"encoding/xml"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

// The bounds of what passes through one call.
const (
	maxObject = 700 << 10 // bytes: an answer with it in base64 stays below 1 MiB
	maxPath   = 1024      // bytes
	maxList   = 1000      // what one request can list
	timeout   = 20 * time.Second
	retries   = 2
)

// bucket is where objects are, and the keys to it.
type bucket struct {
	name, scheme, host, root string
	signer                   signer
}

// object is what is known of one.
type object struct {
	Path        string `json:"path"`
	Size        int64  `json:"size"`
	ETag        string `json:"etag,omitempty"`
	Modified    string `json:"modified,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Data        []byte `json:"data,omitempty"`
}

// listing is the answer of list.
type listing struct {
	Items     []object `json:"items"`
	Truncated bool     `json:"truncated"` // whether there are more
}

// removed is the answer of delete, which S3 gives whatever was there.
type removed struct {
	Deleted bool `json:"deleted"`
}

func (b bucket) head() error {
	_, err := b.do("HEAD", "", nil, nil, nil)
	return err
}

func (b bucket) put(path string, data []byte, contentType string) (object, error) {
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	reply, err := b.do("PUT", path, nil, http.Headers{"Content-Type": contentType}, data)
	return object{Path: path, Size: int64(len(data)), ETag: etag(reply), ContentType: contentType}, err
}

func (b bucket) get(path string) (object, error) {
	reply, err := b.do("GET", path, nil, nil, nil)
	if err != nil {
		return object{}, err
	}
	found := known(path, reply)
	found.Data, found.Size = reply.Body, int64(len(reply.Body))
	return found, nil
}

func (b bucket) stat(path string) (object, error) {
	reply, err := b.do("HEAD", path, nil, nil, nil)
	return known(path, reply), err
}

func (b bucket) remove(path string) (removed, error) {
	_, err := b.do("DELETE", path, nil, nil, nil)
	return removed{Deleted: true}, err
}

func (b bucket) list(prefix string, limit int) (listing, error) {
	if limit <= 0 || limit > maxList {
		limit = maxList
	}
	reply, err := b.do("GET", "", [][2]string{
		{"list-type", "2"}, {"prefix", prefix}, {"max-keys", strconv.Itoa(limit)},
	}, nil, nil)
	if err != nil {
		return listing{}, err
	}
	var found struct {
		IsTruncated bool
		Contents    []struct {
			Key, ETag, LastModified string
			Size                    int64
		}
	}
	if err := xml.Unmarshal(reply.Body, &found); err != nil {
		return listing{}, failed(abi.FaultUnavailable, "bad_reply", "the list cannot be read: %v", err)
	}
	all := listing{Items: []object{}, Truncated: found.IsTruncated}
	for _, c := range found.Contents {
		all.Items = append(all.Items, object{Path: c.Key, Size: c.Size, ETag: strings.Trim(c.ETag, `"`), Modified: c.LastModified})
	}
	return all, nil
}

// do signs a request, sends it, and sees that it was answered well. path "" is
// the bucket itself.
func (b bucket) do(method, path string, query [][2]string, headers http.Headers, body []byte) (http.Response, error) {
	now, digest := time.Now(), hexDigest(body)
	at := b.root + escape(path, true)
	if path == "" && at != "/" {
		at = strings.TrimSuffix(at, "/")
	}
	all := http.Headers{"X-Amz-Date": now.UTC().Format(longDate), "X-Amz-Content-Sha256": digest}
	if b.signer.token != "" {
		all["X-Amz-Security-Token"] = b.signer.token
	}
	maps.Copy(all, headers)
	covered := map[string]string{"host": b.host}
	for name, value := range all {
		covered[strings.ToLower(name)] = value
	}
	all["Authorization"] = b.signer.authorization(signed{method, at, query, covered, digest}, now)
	address := b.scheme + "://" + b.host + at
	if len(query) > 0 {
		address += "?" + canonicalQuery(query)
	}
	reply, err := http.Do(http.Request{
		Method: method, URL: address, Headers: all, Body: body,
		Timeout: timeout, Retries: retries, Redirects: -1, MaxBody: maxObject,
	})
	if err != nil {
		return reply, err
	}
	return reply, b.refused(reply, path)
}

// refused is what a reply says against a request; nil: it is one of success.
func (b bucket) refused(reply http.Response, path string) error {
	if reply.OK() {
		return nil
	}
	var said struct{ Code, Message string }
	_ = xml.Unmarshal(reply.Body, &said) // of a HEAD there is none
	what := "the bucket " + b.name
	if path != "" {
		what = strconv.Quote(path) + " in " + what
	}
	detail := ""
	if said.Code != "" {
		detail = ": " + said.Code + ": " + said.Message
	}
	switch reply.Status {
	case 301, 307, 400:
		if region := reply.Headers.Get("X-Amz-Bucket-Region"); region != "" && region != b.signer.region {
			return &abi.Error{
				Kind: abi.FaultInvalid, Code: "wrong_region", Text: what + " is in the region " + region,
				Hint: "Set region to " + region + ".",
			}
		}
	case 401, 403:
		return &abi.Error{
			Kind: abi.FaultUnauthenticated, Code: "access_denied", Text: "the keys do not open " + what + detail,
			Hint: "Check access_key and secret_key, and what they are allowed to do.",
		}
	case 404:
		if path == "" || said.Code == "NoSuchBucket" {
			return failed(abi.FaultNotFound, "no_such_bucket", "there is no bucket %s%s", b.name, detail)
		}
		return failed(abi.FaultNotFound, "no_such_path", "nothing stands at %s%s", what, detail)
	}
	return failed(abi.FaultUnavailable, "refused", "%s answered %d%s", what, reply.Status, detail)
}

// known is what the headers of a reply say of an object.
func known(path string, reply http.Response) object {
	size, _ := strconv.ParseInt(reply.Headers.Get("Content-Length"), 10, 64)
	return object{
		Path: path, Size: size, ETag: etag(reply),
		Modified: reply.Headers.Get("Last-Modified"), ContentType: reply.Headers.Get("Content-Type"),
	}
}

func etag(reply http.Response) string { return strings.Trim(reply.Headers.Get("ETag"), `"`) }

// checkPath refuses what is no key, and what somebody on the way would change.
func checkPath(path string) error {
	switch {
	case path == "" || len(path) > maxPath || !utf8.ValidString(path):
		return invalid("bad_path", "a path is UTF-8 text of 1 to "+strconv.Itoa(maxPath)+" bytes")
	case strings.HasPrefix(path, "/"):
		return invalid("bad_path", "a path does not start with a slash")
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return invalid("bad_path", "a path has no part . or ..")
		}
	}
	return nil
}
