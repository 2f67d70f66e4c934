package peertest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// S3 is an object storage with one bucket, addressed in the path, that checks
// the signature of every request (AWS Signature Version 4) from what it has
// received. It is an http.Handler.
type S3 struct {
	Bucket, AccessKey, SecretKey, Region string

	mu      sync.Mutex
	objects map[string]stored
	refused []string
}

type stored struct {
	data []byte
	kind string
	at   time.Time
}

// NewS3 is an empty storage with keys of its own.
func NewS3() *S3 {
	return &S3{
		Bucket: "plant-files", AccessKey: "AKIAPEERTEST", SecretKey: "peertest/secret+key", Region: "eu-central-1",
		objects: map[string]stored{},
	}
}

// Objects are the contents by key.
func (s *S3) Objects() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for key, o := range s.objects {
		all[key] = string(o.data)
	}
	return all
}

// Refused says why requests were refused.
func (s *S3) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// ServeHTTP answers one request.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err == nil {
		err = s.check(r, body)
	}
	if err != nil {
		s.refuse(w, http.StatusForbidden, "SignatureDoesNotMatch", err.Error())
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != s.Bucket {
		s.refuse(w, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	if key == "" {
		s.serveBucket(w, r)
		return
	}
	s.serveObject(w, r, key, body)
}

func (s *S3) serveBucket(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.Header().Set("X-Amz-Bucket-Region", s.Region)
		return
	}
	type content struct {
		Key, ETag, LastModified string
		Size                    int
	}
	result := struct {
		XMLName     xml.Name `xml:"ListBucketResult"`
		IsTruncated bool
		Contents    []content
	}{}
	most, _ := strconv.Atoi(r.URL.Query().Get("max-keys"))
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			continue
		}
		if len(result.Contents) == most {
			result.IsTruncated = true
			break
		}
		o := s.objects[key]
		result.Contents = append(result.Contents, content{key, o.etag(), o.at.Format(time.RFC3339), len(o.data)})
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(result)
}

func (s *S3) serveObject(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	o, found := s.objects[key]
	switch r.Method {
	case http.MethodPut:
		o = stored{body, r.Header.Get("Content-Type"), time.Now().UTC()}
		s.objects[key] = o
		w.Header().Set("ETag", o.etag())
	case http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		if !found {
			s.refuse(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist")
			return
		}
		w.Header().Set("Content-Type", o.kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(o.data)))
		w.Header().Set("Last-Modified", o.at.Format(http.TimeFormat))
		w.Header().Set("ETag", o.etag())
		if r.Method == http.MethodGet {
			_, _ = w.Write(o.data)
		}
	}
}

func (o stored) etag() string {
	return fmt.Sprintf(`"%x"`, md5.Sum(o.data))
}

func (s *S3) refuse(w http.ResponseWriter, status int, code, message string) {
	s.refused = append(s.refused, code+": "+message)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: code, Message: message})
}

// check makes the signature again, from the request as it has come.
func (s *S3) check(r *http.Request, body []byte) error {
	fields := map[string]string{}
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	digest := fmt.Sprintf("%x", sha256.Sum256(body))
	scope := date[:min(8, len(date))] + "/" + s.Region + "/s3/aws4_request"
	switch {
	case !ok:
		return errors.New("no signature")
	case err != nil || time.Since(at).Abs() > 15*time.Minute:
		return fmt.Errorf("the date %q", date)
	case r.Header.Get("X-Amz-Content-Sha256") != digest:
		return errors.New("the body's digest")
	case fields["Credential"] != s.AccessKey+"/"+scope:
		return fmt.Errorf("the credential %s", fields["Credential"])
	}
	canonical := []string{r.Method, r.URL.EscapedPath(), sorted(r.URL.RawQuery)}
	names := strings.Split(fields["SignedHeaders"], ";")
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical = append(canonical, name+":"+strings.TrimSpace(value))
	}
	for _, name := range []string{"host", "x-amz-date", "x-amz-content-sha256"} {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s is not signed", name)
		}
	}
	canonical = append(canonical, "", fields["SignedHeaders"], digest)
	toSign := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", date, scope, sha256.Sum256([]byte(strings.Join(canonical, "\n"))))
	key := []byte("AWS4" + s.SecretKey)
	for _, part := range append(strings.Split(scope, "/"), toSign) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	if hex.EncodeToString(key) != fields["Signature"] {
		return errors.New("the signature")
	}
	return nil
}

// sorted is a query as it was sent, its parts in order.
func sorted(raw string) string {
	if raw == "" {
		return ""
	}
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		if !strings.Contains(part, "=") {
			parts[i] += "="
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}
