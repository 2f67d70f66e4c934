package peertest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Drive is a file storage with the part of Google Drive's API (v3) that a
// storage needs. It lets in whoever has a valid access token of its
// authorization server. It is an http.Handler.
type Drive struct {
	Auth *AuthServer

	mu    sync.Mutex
	files []*driveFile
}

type driveFile struct {
	ID, Name, Kind, Parent string
	data                   []byte
}

// Files are the contents by name.
func (d *Drive) Files() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]string{}
	for _, f := range d.files {
		all[f.Name] = string(f.data)
	}
	return all
}

// ServeHTTP answers one request.
func (d *Drive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !d.Auth.Valid(token) {
		driveError(w, http.StatusUnauthorized, "Invalid Credentials")
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	path, upload := strings.CutPrefix(r.URL.Path, "/upload")
	id, one := strings.CutPrefix(path, "/drive/v3/files/")
	switch {
	case r.Method == http.MethodGet && path == "/drive/v3/about":
		writeJSON(w, http.StatusOK, map[string]any{"user": map[string]string{"emailAddress": "ann@plant.test"}})
	case r.Method == http.MethodGet && path == "/drive/v3/files":
		d.search(w, r.URL.Query().Get("q"))
	case r.Method == http.MethodPost && upload && path == "/drive/v3/files":
		d.create(w, r)
	case one:
		d.serveFile(w, r, id, upload)
	default:
		driveError(w, http.StatusNotFound, "Not Found")
	}
}

// search understands the two queries that there are: by a name, and by its
// start.
func (d *Drive) search(w http.ResponseWriter, q string) {
	found := []map[string]any{}
	for _, f := range d.files {
		want := true
		for clause := range strings.SplitSeq(q, " and ") {
			value := unquote(clause)
			switch {
			case strings.HasPrefix(clause, "name = "):
				want = want && f.Name == value
			case strings.HasPrefix(clause, "name contains "):
				want = want && strings.Contains(f.Name, value)
			case strings.HasSuffix(clause, " in parents"):
				want = want && f.Parent == value
			case clause != "trashed = false":
				driveError(w, http.StatusBadRequest, "Invalid query "+clause)
				return
			}
		}
		if want {
			found = append(found, f.form())
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"files": found})
}

func unquote(clause string) string {
	from, to := strings.IndexByte(clause, '\''), strings.LastIndexByte(clause, '\'')
	if from < 0 || from == to {
		return ""
	}
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(clause[from+1 : to])
}

func (f *driveFile) form() map[string]any {
	return map[string]any{
		"id": f.ID, "name": f.Name, "mimeType": f.Kind, "size": fmt.Sprint(len(f.data)), "modifiedTime": "2026-11-22T08:00:00.000Z",
	}
}

// create takes a multipart/related of metadata and content.
func (d *Drive) create(w http.ResponseWriter, r *http.Request) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" || r.URL.Query().Get("uploadType") != "multipart" {
		driveError(w, http.StatusBadRequest, "want multipart/related")
		return
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	var meta struct {
		Name    string
		Parents []string
	}
	head, err := parts.NextPart()
	if err == nil {
		err = json.NewDecoder(head).Decode(&meta)
	}
	f := &driveFile{ID: fmt.Sprintf("id-%d", len(d.files)+1), Name: meta.Name, Parent: "root"}
	if len(meta.Parents) == 1 {
		f.Parent = meta.Parents[0]
	}
	var content *multipart.Part
	if err == nil {
		content, err = parts.NextPart()
	}
	if err == nil {
		f.Kind = content.Header.Get("Content-Type")
		f.data, err = io.ReadAll(content)
	}
	if err != nil {
		driveError(w, http.StatusBadRequest, err.Error())
		return
	}
	d.files = append(d.files, f)
	writeJSON(w, http.StatusOK, f.form())
}

func (d *Drive) serveFile(w http.ResponseWriter, r *http.Request, id string, upload bool) {
	i := slices.IndexFunc(d.files, func(f *driveFile) bool { return f.ID == id })
	if i < 0 {
		driveError(w, http.StatusNotFound, "File not found: "+id)
		return
	}
	f := d.files[i]
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Get("alt") == "media":
		w.Header().Set("Content-Type", f.Kind)
		_, _ = w.Write(f.data)
	case r.Method == http.MethodPatch && upload:
		f.data, _ = io.ReadAll(r.Body)
		f.Kind = r.Header.Get("Content-Type")
		writeJSON(w, http.StatusOK, f.form())
	case r.Method == http.MethodDelete:
		d.files = slices.Delete(d.files, i, i+1)
		w.WriteHeader(http.StatusNoContent)
	default:
		driveError(w, http.StatusMethodNotAllowed, "Method Not Allowed")
	}
}

func driveError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": status, "message": message}})
}
