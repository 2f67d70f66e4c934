package param

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of a tenant's files.
const (
	MaxFile  = 192 << 10 // bytes of one
	MaxFiles = 500

	maxFileName = 255
	filePrefix  = "fil_"
	// A file is kept in two entries, so that a list reads no content.
	contentPrefix = "content/"
)

// PutFile keeps a file. f has its id, which begins with fil_, its name, its
// media type and its time of creation; size and digest are filled in. Files are
// not changed: another content is another file.
func PutFile(w store.Writer, f spec.File, content []byte) (spec.File, error) {
	switch {
	case len(content) == 0:
		return f, fault.New(fault.Invalid, "the file is empty")
	case len(content) > MaxFile:
		return f, fault.New(fault.TooLarge, "a file has at most %d bytes, and this one has %d", MaxFile, len(content))
	case f.Name == "" || len(f.Name) > maxFileName || !utf8.ValidString(f.Name) || strings.ContainsFunc(f.Name, unicode.IsControl):
		return f, fault.New(fault.Invalid, "a file's name has 1 to %d bytes, none of them a control character", maxFileName)
	}
	if f.MIME != "" {
		media, _, err := mime.ParseMediaType(f.MIME)
		if err != nil || len(media) > maxFileName {
			return f, fault.New(fault.Invalid, "%q is no media type", clip(f.MIME))
		}
		f.MIME = media
	}
	there, err := w.List(store.Files, filePrefix, "", MaxFiles)
	if err != nil {
		return f, err
	}
	if len(there) >= MaxFiles {
		return f, fault.New(fault.QuotaReached, "there are %d files, and no more are allowed", MaxFiles)
	}
	sum := sha256.Sum256(content)
	f.Size, f.Digest = len(content), hex.EncodeToString(sum[:])
	raw, err := json.Marshal(f)
	if err != nil {
		return f, fault.Wrap(fault.Internal, err, "file %s", f.ID)
	}
	if _, err := w.PutIf(store.Files, f.ID, raw, 0); err != nil {
		return f, err
	}
	_, err = w.Put(store.Files, contentPrefix+f.ID, content)
	return f, err
}

// FileInfo is what is known of a file, or fault.NotFound.
func FileInfo(r store.Reader, id string) (f spec.File, err error) {
	missing := fault.New(fault.NotFound, "no file %q", clip(id))
	if !strings.HasPrefix(id, filePrefix) || len(id) > maxFileName {
		return f, missing
	}
	e, err := r.Get(store.Files, id)
	if fault.Is(err, fault.NotFound) {
		return f, missing
	}
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(e.Value, &f); err != nil {
		return f, fault.Wrap(fault.Integrity, err, "file %s", id)
	}
	return f, nil
}

// GetFile is a file with its content, or fault.NotFound.
func GetFile(r store.Reader, id string) (f spec.File, content []byte, err error) {
	if f, err = FileInfo(r, id); err != nil {
		return f, nil, err
	}
	e, err := r.Get(store.Files, contentPrefix+id)
	if fault.Is(err, fault.NotFound) {
		return f, nil, fault.New(fault.Integrity, "file %s has lost its content", id)
	}
	return f, e.Value, err
}

// ListFiles are the files whose ids come after one, at most limit.
func ListFiles(r store.Reader, after string, limit int) ([]spec.File, error) {
	entries, err := r.List(store.Files, filePrefix, after, limit)
	if err != nil {
		return nil, err
	}
	files := make([]spec.File, len(entries))
	for i, e := range entries {
		if err := json.Unmarshal(e.Value, &files[i]); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "file %s", e.ID)
		}
	}
	return files, nil
}

// DeleteFile removes a file, or returns fault.NotFound. The connectors whose
// rows refer to it are left without it: those rows' FileID becomes "". They are
// handed to changed, to be stored.
func DeleteFile(w store.Writer, id string, changed func(*spec.Connector) error) error {
	if _, err := FileInfo(w, id); err != nil {
		return err
	}
	var users []spec.Connector
	for e, err := range store.All(w, store.Connectors, "") {
		if err != nil {
			return err
		}
		var c spec.Connector
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
		}
		uses := false
		for i := range c.Params {
			if c.Params[i].FileID == id {
				c.Params[i].FileID, uses = "", true
			}
		}
		if uses {
			users = append(users, c)
		}
	}
	for i := range users {
		if err := changed(&users[i]); err != nil {
			return err
		}
	}
	if err := w.Delete(store.Files, contentPrefix+id); err != nil {
		return err
	}
	return w.Delete(store.Files, id)
}
