package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

// The bounds of what passes through one call.
const (
	maxObject = 700 << 10 // bytes: an answer with it in base64 stays below 1 MiB
	maxList   = 1000
	timeout   = 20 * time.Second
	retries   = 2
)

// fields are what is asked of a file.
const fields = "id,name,size,mimeType,modifiedTime"

// drive is one folder of a drive, and the token for it. A file's name is its
// whole path, so that a folder is no tree.
type drive struct{ api, token, folder string }

// file is one as the API has it.
type file struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Size         string `json:"size"`
	MIMEType     string `json:"mimeType"`
	ModifiedTime string `json:"modifiedTime"`
}

// object is one as the category has it.
type object struct {
	Path        string `json:"path"`
	Size        int64  `json:"size"`
	Modified    string `json:"modified,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Data        []byte `json:"data,omitempty"`
}

type listing struct {
	Items     []object `json:"items"`
	Truncated bool     `json:"truncated"`
}

type removed struct {
	Deleted bool `json:"deleted"`
}

func (f file) object() object {
	size, _ := strconv.ParseInt(f.Size, 10, 64)
	return object{Path: f.Name, Size: size, Modified: f.ModifiedTime, ContentType: f.MIMEType}
}

// account is whose drive it is.
func (d drive) account() (string, error) {
	reply, err := d.do("GET", "/drive/v3/about?fields=user", "", nil)
	if err != nil {
		return "", err
	}
	var said struct {
		User struct{ EmailAddress string }
	}
	if err := json.Unmarshal(reply.Body, &said); err != nil {
		return "", unreadable(err)
	}
	return said.User.EmailAddress, nil
}

func (d drive) put(path string, data []byte, contentType string) (object, error) {
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	if strings.ContainsAny(contentType, "\r\n") {
		return object{}, invalid("content_type is one line")
	}
	there, found, err := d.find(path)
	if err != nil {
		return object{}, err
	}
	var reply http.Response
	if found {
		reply, err = d.do("PATCH", "/upload/drive/v3/files/"+escape(there.ID)+"?uploadType=media&fields="+fields, contentType, data)
	} else {
		var kind string
		var body []byte
		if kind, body, err = d.related(path, data, contentType); err == nil {
			reply, err = d.do("POST", "/upload/drive/v3/files?uploadType=multipart&fields="+fields, kind, body)
		}
	}
	if err != nil {
		return object{}, err
	}
	var f file
	if err := json.Unmarshal(reply.Body, &f); err != nil {
		return object{}, unreadable(err)
	}
	return f.object(), nil
}

// related is a multipart/related of a new file's name and content.
func (d drive) related(path string, data []byte, contentType string) (kind string, body []byte, err error) {
	meta, err := json.Marshal(map[string]any{"name": path, "parents": []string{d.folder}})
	if err != nil {
		return "", nil, err
	}
	boundary := rand.Text()
	var b bytes.Buffer
	b.WriteString("--" + boundary + "\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n")
	b.Write(meta)
	b.WriteString("\r\n--" + boundary + "\r\nContent-Type: " + contentType + "\r\n\r\n")
	b.Write(data)
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return "multipart/related; boundary=" + boundary, b.Bytes(), nil
}

func (d drive) get(path string) (object, error) {
	f, err := d.must(path)
	if err != nil {
		return object{}, err
	}
	reply, err := d.do("GET", "/drive/v3/files/"+escape(f.ID)+"?alt=media", "", nil)
	if err != nil {
		return object{}, err
	}
	found := f.object()
	found.Data, found.Size = reply.Body, int64(len(reply.Body))
	return found, nil
}

func (d drive) stat(path string) (object, error) {
	f, err := d.must(path)
	return f.object(), err
}

func (d drive) remove(path string) (removed, error) {
	f, err := d.must(path)
	if err != nil {
		return removed{}, err
	}
	_, err = d.do("DELETE", "/drive/v3/files/"+escape(f.ID), "", nil)
	return removed{Deleted: err == nil}, err
}

func (d drive) list(prefix string, limit int) (listing, error) {
	if limit <= 0 || limit > maxList {
		limit = maxList
	}
	clause := ""
	if prefix != "" {
		clause = "name contains " + quote(prefix)
	}
	files, more, err := d.search(clause, limit)
	if err != nil {
		return listing{}, err
	}
	all := listing{Items: []object{}, Truncated: more}
	for _, f := range files {
		if strings.HasPrefix(f.Name, prefix) { // "contains" is more than that
			all.Items = append(all.Items, f.object())
		}
	}
	return all, nil
}

// must finds a file that has to be there.
func (d drive) must(path string) (file, error) {
	f, found, err := d.find(path)
	if err == nil && !found {
		err = &abi.Error{Kind: abi.FaultNotFound, Code: "no_such_path", Text: "nothing stands at " + strconv.Quote(path)}
	}
	return f, err
}

func (d drive) find(path string) (f file, found bool, err error) {
	files, _, err := d.search("name = "+quote(path), 1)
	if err != nil || len(files) == 0 {
		return f, false, err
	}
	return files[0], true, nil
}

func (d drive) search(clause string, limit int) (files []file, more bool, err error) {
	q := quote(d.folder) + " in parents and trashed = false"
	if clause != "" {
		q = clause + " and " + q
	}
	reply, err := d.do("GET", "/drive/v3/files?"+form([][2]string{
		{"q", q}, {"pageSize", strconv.Itoa(limit)}, {"orderBy", "name"}, {"fields", "nextPageToken,files(" + fields + ")"},
	}), "", nil)
	if err != nil {
		return nil, false, err
	}
	var said struct {
		NextPageToken string `json:"nextPageToken"`
		Files         []file `json:"files"`
	}
	if err := json.Unmarshal(reply.Body, &said); err != nil {
		return nil, false, unreadable(err)
	}
	return said.Files, said.NextPageToken != "", nil
}

// quote is a text of a search, in which it ends nothing.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

func (d drive) do(method, at, contentType string, body []byte) (http.Response, error) {
	if d.token == "" {
		return http.Response{}, &abi.Error{
			Kind: abi.FaultUnauthenticated, Code: "not_connected", Text: "nobody has connected it yet",
			Hint: "Connect it with `snaprail connect`.",
		}
	}
	headers := http.Headers{"Authorization": "Bearer " + d.token}
	if contentType != "" {
		headers["Content-Type"] = contentType
	}
	reply, err := http.Do(http.Request{
		Method: method, URL: d.api + at, Headers: headers, Body: body,
		Timeout: timeout, Retries: retries, Redirects: -1, MaxBody: maxObject,
	})
	if err != nil || reply.OK() {
		return reply, err
	}
	return reply, refused(reply)
}

func refused(reply http.Response) error {
	var said struct {
		Error struct{ Message string }
	}
	_ = json.Unmarshal(reply.Body, &said)
	e := &abi.Error{Kind: abi.FaultUnavailable, Code: "refused", Text: "Google answered " + strconv.Itoa(reply.Status) + " " + said.Error.Message}
	switch reply.Status {
	case 401:
		e.Kind, e.Code, e.Hint = abi.FaultUnauthenticated, "token_refused", "Connect it again with `snaprail connect`."
	case 403:
		e.Kind, e.Code = abi.FaultDenied, "access_denied"
	case 404:
		e.Kind, e.Code = abi.FaultNotFound, "no_such_path"
	case 429:
		e.Kind, e.Code = abi.FaultExhausted, "rate_limited"
	}
	return e
}

func unreadable(err error) error {
	return &abi.Error{Kind: abi.FaultUnavailable, Code: "bad_reply", Text: "Google's answer cannot be read: " + err.Error()}
}
