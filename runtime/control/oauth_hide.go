package control

import (
	"regexp"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
)

// Authorization servers and modules repeat in their errors what they were told,
// and those errors are shown, stored with the connector and written to the trail
// and the server's log. So what is told is masked from before it is told: also
// what is no secret of the tenant yet, or none by its schema.

// hide masks values in all that is said of the tenant for a while, wherever it is
// said: by a guest into its log, too.
func (t *Tenant) hide(values ...string) {
	for _, value := range values {
		t.runtime.Vault().Mask().Pass([]byte(value))
	}
}

// hideParty hides what of a config proves who asks.
func (t *Tenant) hideParty(p *oauthParty) { t.hide(p.client.Secret, p.client.RefreshToken) }

// clean is a text without what is hidden. It has to be whole: of a value that was
// cut nothing is found.
func (t *Tenant) clean(text string) string { return t.runtime.Vault().Mask().Text(text) }

// cleanError is an error without what is hidden, nil for nil.
func (t *Tenant) cleanError(err error) error {
	if err == nil {
		return nil
	}
	return t.runtime.Vault().Mask().Fault(fault.Of(err))
}

// withoutTokens is the error of a guest that got tokens, maybe, which no mask
// knows: what looks like one is taken out.
func withoutTokens(err error) error {
	f := *fault.Of(err)
	f.Text, f.Hint = hideTokens(f.Text), hideTokens(f.Hint)
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		f.Fields[i].Detail = hideTokens(f.Fields[i].Detail)
	}
	bare := fault.New(f.Kind, "%s", f.Text)
	bare.Hint, bare.RetryAfter, bare.Fields, bare.Offset, bare.Said = f.Hint, f.RetryAfter, f.Fields, f.Offset, f.Said
	return bare
}

// hideTokens takes out of a text what may be a token (RFC 6750, 2.1): long words,
// unless they are of small letters alone or the name of a host.
func hideTokens(text string) string {
	words := regexp.MustCompile(`(://)?[A-Za-z0-9._~+-]{20,}=*`)
	return words.ReplaceAllStringFunc(text, func(word string) string {
		if strings.HasPrefix(word, "://") || !strings.ContainsAny(word, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			return word
		}
		return mask.Masked
	})
}
