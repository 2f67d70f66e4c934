package control

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
)

// How answers are kept: each key belongs to one of the sets by its digest, and
// a set has so many places. A new answer takes a free place of its set, else
// that of the oldest, so that a tenant keeps a bounded number for ever and a
// place that is written over leaves nothing behind.
const (
	answerSets   = 256
	answerPlaces = 8
	answerLife   = 24 * time.Hour
	maxAnswer    = 16 << 10 // bytes of a body, compressed
	maxExpanded  = 1 << 20  // bytes of a body
)

// Answer is what a request was answered.
type Answer struct {
	Request []byte            `json:"request"` // digest of the request
	Status  int               `json:"status"`
	Header  map[string]string `json:"header,omitempty"`
	Body    []byte            `json:"body,omitempty"`
	// Withheld says why there is no body; "": there is one, or it is empty.
	Withheld string    `json:"withheld,omitempty"`
	At       time.Time `json:"at"` // filled in when it is kept
}

// answerRecord is what is stored.
type answerRecord struct {
	Answer
	Key []byte `json:"key"` // digest of whose key it is, and of the key
}

// Answers are what one identity's requests were answered, by the keys that it
// gave them. A request whose answer is kept was done. It is safe for
// concurrent use.
type Answers struct {
	space store.Space
	whose string
}

// Answers are those of an identity.
func (s *Service) Answers(who identity.Identity) (*Answers, error) {
	space, err := s.cfg.Store.Tenant(who.Tenant)
	if err != nil {
		return nil, err
	}
	return &Answers{space, string(who.Kind) + "\x00" + who.ID}, nil
}

// Find is the answer to the request with this key, if it is less than 24 hours
// old and no newer ones have taken its place.
func (a *Answers) Find(ctx context.Context, key string) (found Answer, ok bool, err error) {
	digest := a.digest(key)
	err = a.space.View(ctx, func(r store.Reader) error {
		places, err := answersOf(r, digest)
		if err != nil {
			return err
		}
		for _, place := range places {
			if bytes.Equal(place.Key, digest) && time.Since(place.At) < answerLife {
				found, ok = place.Answer, true
			}
		}
		return nil
	})
	if err != nil || !ok {
		return Answer{}, false, err
	}
	if found.Body, err = expand(found.Body); err != nil {
		return Answer{}, false, err
	}
	return found, true, nil
}

// Keep keeps an answer. Of one whose body is too large to be kept, it is only
// kept that the request was done.
func (a *Answers) Keep(ctx context.Context, key string, answer Answer) error {
	answer.At = time.Now().UTC()
	if answer.Body = compress(answer.Body); len(answer.Body) > maxAnswer {
		answer.Body, answer.Withheld = nil, "it was too large to be kept"
	}
	digest := a.digest(key)
	raw, err := json.Marshal(answerRecord{answer, digest})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "answer")
	}
	return a.space.Update(ctx, func(w store.Writer) error {
		places, err := answersOf(w, digest)
		if err != nil {
			return err
		}
		_, err = w.Put(store.Answers, answerID(digest, placeFor(places, digest)), raw)
		return err
	})
}

func (a *Answers) digest(key string) []byte {
	sum := sha256.Sum256([]byte(a.whose + "\x00" + key))
	return sum[:]
}

// placeFor is the place for a new answer: that of the same key, else a free
// one, else the oldest.
func placeFor(places []answerRecord, digest []byte) int {
	oldest := 0
	for i := range places {
		if bytes.Equal(places[i].Key, digest) {
			return i
		}
		if places[i].At.Before(places[oldest].At) {
			oldest = i
		}
	}
	if len(places) < answerPlaces {
		return len(places)
	}
	return oldest
}

// answersOf are the answers of a key's set, by place; places are filled in
// their order.
func answersOf(r store.Reader, digest []byte) ([]answerRecord, error) {
	entries, err := r.List(store.Answers, answerSet(digest), "", answerPlaces)
	if err != nil {
		return nil, err
	}
	places := make([]answerRecord, len(entries))
	for i, e := range entries {
		if err := json.Unmarshal(e.Value, &places[i]); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "answer")
		}
	}
	return places, nil
}

func answerSet(digest []byte) string { return fmt.Sprintf("%02x/", int(digest[0])%answerSets) }

func answerID(digest []byte, place int) string { return fmt.Sprintf("%s%d", answerSet(digest), place) }

// compress makes a body smaller. A body that is empty stays empty.
func compress(body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return body // it has no level but ours
	}
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

func expand(body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, nil
	}
	all, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), maxExpanded))
	if err != nil {
		return nil, fault.Wrap(fault.Integrity, err, "answer")
	}
	return all, nil
}
