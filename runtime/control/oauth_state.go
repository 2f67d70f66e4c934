package control

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of what waits for an authorization server.
const (
	// maxOpenOAuth is how many connections of a tenant may be begun and not
	// finished. One more takes the place of the oldest, so that they can neither
	// fill the store nor lock anybody out.
	maxOpenOAuth = 100
	// oauthTime is how long somebody may take to agree.
	oauthTime = 10 * time.Minute
)

// oauthState is what is kept of a connection that was begun. It stands in one
// of maxOpenOAuth places that are written over, since what is deleted leaves
// something behind. Of the nonce only its digest is kept.
type oauthState struct {
	Nonce     []byte    `json:"nonce,omitempty"` // SHA-256; none: the place is free
	Connector string    `json:"connector,omitempty"`
	By        string    `json:"by,omitempty"` // who began it: see holder
	Verifier  string    `json:"verifier,omitempty"`
	Redirect  string    `json:"redirect,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
}

// holder names whoever a connection is bound to: the person, if it is one, so
// that what was begun on the command line with a person's own token can be
// finished in the browser where the same person is logged in; else the token.
func holder(as identity.Identity) string {
	if as.User != "" {
		return string(identity.KindUser) + " " + as.User
	}
	return string(as.Kind) + " " + as.ID
}

// beginOAuth keeps a new state and answers its nonce, of 130 random bits, and
// the verifier of its exchange.
func beginOAuth(w store.Writer, c *spec.Connector, as identity.Identity, redirect string, now time.Time) (nonce string, s oauthState, err error) {
	place, err := oauthPlace(w, now)
	if err != nil {
		return "", s, err
	}
	nonce = rand.Text()
	sum := sha256.Sum256([]byte(nonce))
	s = oauthState{
		Nonce: sum[:], Connector: c.ID, By: holder(as), Redirect: redirect,
		Verifier: rand.Text() + rand.Text(), // RFC 7636 wants 43 to 128 characters
		Expires:  now.Add(oauthTime),
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return "", s, fault.Wrap(fault.Internal, err, "OAuth state")
	}
	_, err = w.Put(store.OAuthStates, place, raw)
	return nonce, s, err
}

// oauthPlace is a place that holds nothing any more, or else the oldest.
func oauthPlace(r store.Reader, now time.Time) (string, error) {
	entries, err := r.List(store.OAuthStates, "", "", maxOpenOAuth)
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	oldest, first := "", time.Time{}
	for _, e := range entries {
		s := stateOf(e)
		if len(s.Nonce) == 0 || !now.Before(s.Expires) {
			continue
		}
		taken[e.ID] = true
		if oldest == "" || s.Expires.Before(first) {
			oldest, first = e.ID, s.Expires
		}
	}
	for i := range maxOpenOAuth {
		if place := fmt.Sprintf("%02d", i); !taken[place] {
			return place, nil
		}
	}
	return oldest, nil
}

// stateOf is the state in a place; one that cannot be read is none.
func stateOf(e store.Entry) (s oauthState) {
	if json.Unmarshal(e.Value, &s) != nil {
		return oauthState{}
	}
	return s
}

// splitState takes apart what comes back from the authorization server.
func splitState(state string) (connector, nonce string, err error) {
	connector, nonce, found := strings.Cut(state, ":")
	if !found || connector == "" || nonce == "" || len(state) > store.MaxID {
		return "", "", fault.New(fault.OAuthState, "the state is not of the form connector:nonce")
	}
	return connector, nonce, nil
}

// takeOAuth finds the state of a nonce and uses it up. What was begun by
// somebody else stays for them.
func takeOAuth(w store.Writer, connector, nonce string, as identity.Identity, now time.Time) (oauthState, error) {
	entries, err := w.List(store.OAuthStates, "", "", maxOpenOAuth)
	if err != nil {
		return oauthState{}, err
	}
	sum := sha256.Sum256([]byte(nonce))
	for _, e := range entries {
		s := stateOf(e)
		if subtle.ConstantTimeCompare(s.Nonce, sum[:]) != 1 {
			continue
		}
		switch {
		case !now.Before(s.Expires):
			return oauthState{}, fault.New(fault.OAuthState, "the state has expired")
		case s.Connector != connector:
			return oauthState{}, fault.New(fault.OAuthState, "the state is another connector's")
		case s.By != holder(as):
			return oauthState{}, fault.New(fault.OAuthState, "the connection was begun by somebody else")
		}
		_, err := w.Put(store.OAuthStates, e.ID, []byte("{}"))
		return s, err
	}
	return oauthState{}, fault.New(fault.OAuthState, "the state is not known, or was used already")
}

// dropOAuth forgets what was begun for a connector that is deleted.
func dropOAuth(w store.Writer, connector string) error {
	entries, err := w.List(store.OAuthStates, "", "", maxOpenOAuth)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if stateOf(e).Connector != connector {
			continue
		}
		if _, err := w.Put(store.OAuthStates, e.ID, []byte("{}")); err != nil {
			return err
		}
	}
	return nil
}
