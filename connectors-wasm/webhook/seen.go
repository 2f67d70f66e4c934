package main

import (
	"bytes"
	"crypto/sha256"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/go/kv"
)

// The names of requests that made records are kept in the connector's state, in the
// same step as the records: so that a request that comes again after a crash makes
// none. With each name goes what the request was, so that another one that takes its
// name is refused and not taken for it. Both are kept as hashes, in pages that are
// written over in turn.
const (
	pages    = 32
	pageSize = 256 // names
	sumSize  = 16  // bytes of a hash
	pairSize = 2 * sumSize
)

type sum [sumSize]byte

// seen are the last 7,936 names at least, and 8,192 at most.
type seen struct {
	loaded bool
	wrote  bool // in the last step
	at     int  // the page that is being filled
	fill   [pages][]byte
	names  map[sum]sum // of a request by that of its name
	dirty  map[int]bool
}

func pageKey(i int) string { return "named/" + strconv.Itoa(i) }

// load reads the pages once, and again when the last step did not come to be: then
// what it wrote is not there, and none of its names was seen.
func (s *seen) load() error {
	if s.loaded && s.wrote {
		page, _, err := kv.Get(pageKey(s.at), nil)
		if err != nil {
			return err
		}
		s.loaded, s.wrote = bytes.Equal(page, s.fill[s.at]), false
	}
	if s.loaded {
		return nil
	}
	s.at = 0
	s.names, s.dirty = map[sum]sum{}, map[int]bool{}
	for i := range pages {
		page, _, err := kv.Get(pageKey(i), nil)
		if err != nil {
			return err
		}
		page = page[:len(page)-len(page)%pairSize]
		s.fill[i] = append([]byte(nil), page...)
		for j := 0; j < len(page); j += pairSize {
			s.names[sum(page[j:])] = sum(page[j+sumSize:])
		}
	}
	at, found, err := kv.Get("named/at", nil)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(string(at)); found && err == nil && n >= 0 && n < pages {
		s.at = n
	}
	s.loaded = true
	return nil
}

func sumOf(text string) sum {
	h := sha256.Sum256([]byte(text))
	return sum(h[:sumSize])
}

// find is the request that came under a name.
func (s *seen) find(name string) (request sum, found bool) {
	request, found = s.names[sumOf(name)]
	return request, found
}

// add notes a name that is not there.
func (s *seen) add(name string, request sum) {
	if len(s.fill[s.at]) >= pageSize*pairSize {
		s.at = (s.at + 1) % pages
		for j := 0; j < len(s.fill[s.at]); j += pairSize {
			delete(s.names, sum(s.fill[s.at][j:]))
		}
		s.fill[s.at] = s.fill[s.at][:0]
	}
	h := sumOf(name)
	s.fill[s.at] = append(append(s.fill[s.at], h[:]...), request[:]...)
	s.names[h] = request
	s.dirty[s.at] = true
}

// keep writes the pages that this step changed. What fails makes the step fail, and
// then nothing of it was seen.
func (s *seen) keep() error {
	if len(s.dirty) == 0 {
		return nil
	}
	for i := range s.dirty {
		if err := kv.Put(pageKey(i), s.fill[i]); err != nil {
			s.loaded = false
			return err
		}
	}
	clear(s.dirty)
	s.wrote = true
	if err := kv.Put("named/at", []byte(strconv.Itoa(s.at))); err != nil {
		s.loaded = false
		return err
	}
	return nil
}
