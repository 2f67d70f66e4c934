package main

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

// ExchangeOAuthCode trades the code of a consent for tokens. What it answers is
// kept as secrets; the host refreshes the access token from then on.
func (s *storage) ExchangeOAuthCode(in *abi.ExchangeInput) (map[string]string, error) {
	set := defaults()
	if err := json.Unmarshal(in.Config, &set); err != nil {
		return nil, invalid("the config cannot be read: " + err.Error())
	}
	redirect := in.RedirectURI
	if redirect == "" {
		redirect = set.RedirectURI
	}
	reply, err := http.Do(http.Request{
		Method: "POST", URL: set.TokenURL,
		Headers: http.Headers{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
		Body: []byte(form([][2]string{
			{"grant_type", "authorization_code"},
			{"code", in.Code},
			{"redirect_uri", redirect},
			{"code_verifier", in.CodeVerifier},
			{"client_id", set.ClientID},
			{"client_secret", set.ClientSecret},
		})),
		Timeout: 20 * time.Second, Redirects: -1, MaxBody: 64 << 10,
	})
	if err != nil {
		return nil, err
	}
	var said struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    int    `json:"expires_in"`
		RefreshEnds  int    `json:"refresh_token_expires_in"`
		Scope        string `json:"scope"`
		Error        string `json:"error"`
		Description  string `json:"error_description"`
	}
	err = json.Unmarshal(reply.Body, &said)
	switch {
	case !reply.OK():
		return nil, &abi.Error{
			Kind: abi.FaultUnauthenticated, Code: "oauth_failed",
			Text: "Google answered " + strconv.Itoa(reply.Status) + ": " + said.Error + " " + said.Description,
			Hint: "Check client_id and client_secret, and that the redirect address is registered with the client.",
		}
	case err != nil || said.AccessToken == "":
		return nil, &abi.Error{Kind: abi.FaultUnauthenticated, Code: "oauth_failed", Text: "Google answered no tokens"}
	}
	pairs := map[string]string{"access_token": said.AccessToken, "scope": said.Scope}
	if said.RefreshToken != "" {
		pairs["refresh_token"] = said.RefreshToken
	}
	if said.ExpiresIn > 0 {
		pairs["expires_in"] = strconv.Itoa(said.ExpiresIn)
	}
	if said.RefreshEnds > 0 {
		pairs["refresh_token_expires_in"] = strconv.Itoa(said.RefreshEnds)
	}
	return pairs, nil
}

// form is application/x-www-form-urlencoded. Package net/url would do it too,
// for a tenth of the module's size.
func form(pairs [][2]string) string {
	text := ""
	for _, p := range pairs {
		if text != "" {
			text += "&"
		}
		text += p[0] + "=" + escape(p[1])
	}
	return text
}

// escape is the percent-encoding of all but the unreserved characters of
// RFC 3986: fit for a form, a query and a part of a path.
func escape(text string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			out = append(out, c)
		default:
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(out)
}
