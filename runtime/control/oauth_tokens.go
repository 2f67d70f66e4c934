package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of what a token endpoint answers.
const (
	maxTokenAnswer = 64 << 10
	maxToken       = 16 << 10 // bytes of one token
	maxOAuthText   = 300      // bytes of an error that is passed on
	tokenTimeout   = 30 * time.Second
)

// grantEnded is the code of a token endpoint that will give nothing more for
// what it was shown (RFC 6749, 5.2).
const grantEnded = "invalid_grant"

// tokens are what a token endpoint answered (RFC 6749, 5.1).
type tokens struct {
	Access         string  `json:"access_token"`
	Refresh        string  `json:"refresh_token"`
	Scope          string  `json:"scope"`
	Expires        seconds `json:"expires_in"`
	RefreshExpires seconds `json:"refresh_token_expires_in"` // not of the standard, and widely used
}

// seconds is a duration in an answer; some servers send it as a text.
type seconds time.Duration

// UnmarshalJSON takes 3600 and "3600".
func (s *seconds) UnmarshalJSON(raw []byte) error {
	var n float64
	if err := json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &n); err != nil {
		return errors.New("is no number of seconds")
	}
	const year = 366 * 24 * 3600
	*s = seconds(time.Duration(min(max(n, 0), 100*year)) * time.Second)
	return nil
}

// tokenRefused is what an authorization server said against a request.
type tokenRefused struct {
	code string // of RFC 6749, 5.2; "": it gave none
	text string
}

func (e *tokenRefused) Error() string { return e.text }

// askTokens makes one request of a token endpoint. It follows no redirect: the
// form holds secrets. clean takes what nobody may see out of what the server says.
func askTokens(ctx context.Context, client *http.Client, endpoint string, form url.Values, clean func(string) string) (got tokens, err error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return got, fault.Wrap(fault.OAuthFailed, err, "token endpoint")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return got, egress.Explain(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer+1))
	if err != nil {
		return got, egress.Explain(err)
	}
	if len(raw) > maxTokenAnswer {
		return got, fault.New(fault.OAuthFailed, "the authorization server answered more than %d bytes", maxTokenAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return got, refusedTokens(resp, raw, clean)
	}
	return readTokens(raw)
}

// refusedTokens is an answer other than 200. What is passed on of it are the
// two texts that the standard has for it.
func refusedTokens(resp *http.Response, raw []byte, clean func(string) string) error {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); strings.Contains(kind, "json") {
		_ = json.Unmarshal(raw, &said)
	}
	return oauthRefused(fmt.Sprintf("the authorization server answered %d", resp.StatusCode), clean(said.Error), clean(said.Description))
}

// oauthRefused is a fault with what an authorization server gives as a reason.
func oauthRefused(text, code, description string) error {
	code, description = plain(code), plain(description)
	if code != "" {
		text += ": " + code
	}
	if description != "" {
		text += " (" + description + ")"
	}
	return fault.Wrap(fault.OAuthFailed, &tokenRefused{code: code, text: text}, "OAuth")
}

// plain is a text of strangers that may be shown: short, and of one line.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, fault.Clip(text, maxOAuthText))
	return strings.TrimSpace(text)
}

// ended reports whether an authorization server will give nothing more.
func ended(err error) bool {
	refused, ok := errors.AsType[*tokenRefused](err)
	return ok && refused.code == grantEnded
}

func readTokens(raw []byte) (got tokens, err error) {
	if err := json.Unmarshal(raw, &got); err != nil {
		return tokens{}, fault.New(fault.OAuthFailed, "the authorization server's answer is not the JSON of tokens")
	}
	switch {
	case got.Access == "":
		return tokens{}, fault.New(fault.OAuthFailed, "the authorization server answered no access_token")
	case len(got.Access) > maxToken || len(got.Refresh) > maxToken:
		return tokens{}, fault.New(fault.OAuthFailed, "the authorization server answered a token of more than %d bytes", maxToken)
	}
	return got, nil
}
