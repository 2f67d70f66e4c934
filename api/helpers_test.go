package api

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// grep gives the lines that hold a word.
func grep(body []byte, word string) string {
	var found []string
	for line := range strings.Lines(string(body)) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// live is a stream that is open.
type live struct {
	*bufio.Scanner
	status int
	header http.Header
	end    func()
}

// open opens a stream, which ends with the test or with its end.
func (r *rig) open(path string, edits ...func(*http.Request)) *live {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r.request(http.MethodGet, path, nil, edits...).WithContext(ctx)) //nolint:bodyclose // the stream's end closes it
	if err != nil {
		cancel()
		r.t.Fatal(err)
	}
	return &live{bufio.NewScanner(resp.Body), resp.StatusCode, resp.Header, func() {
		cancel()
		_ = resp.Body.Close()
	}}
}

// read reads a stream until it has brought n records.
func (r *rig) read(path string, n int, token string, edits ...func(*http.Request)) string {
	r.t.Helper()
	edits = append([]func(*http.Request){header("Authorization", "Bearer "+token)}, edits...)
	lines := r.open(path, edits...)
	defer lines.end()
	var text strings.Builder
	if lines.status != http.StatusOK {
		r.t.Fatalf("%s: status %d", path, lines.status)
	}
	for seen := 0; seen < n && lines.Scan(); {
		line := lines.Text()
		text.WriteString(line + "\n")
		if strings.Contains(line, `{"position":`) || strings.Contains(line, `{"specversion":`) {
			seen++
		}
	}
	return text.String()
}

// endless is a body that begins like a module and goes on for long.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	copy(p, "\x00asm\x01\x00\x00\x00")
	return n, nil
}
