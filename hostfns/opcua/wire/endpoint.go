package wire

import (
	"strings"

	"github.com/gopcua/opcua/ua"
)

// Endpoint is what a server offers. The address that it advertises is of no
// interest: it is not dialled.
type Endpoint struct {
	Certificate []byte // DER, and perhaps its chain
	Mode        ua.MessageSecurityMode
	Policy      string // URI
	Tokens      []UserToken

	transport string
}

// UserToken is a way to say who one is.
type UserToken struct {
	ID     string
	Kind   ua.UserTokenType
	Policy string // URI; empty: the channel's
}

// IsTCP reports whether it is an endpoint of this protocol.
func (e *Endpoint) IsTCP() bool {
	return e.transport == "" || strings.HasSuffix(e.transport, "/uatcp-uasc-uabinary")
}

// Endpoints reads a list of endpoints.
func (r *Reader) Endpoints() []Endpoint {
	var list []Endpoint
	for range r.Count(32) {
		list = append(list, r.endpoint())
		if r.err != nil {
			return nil
		}
	}
	return list
}

func (r *Reader) endpoint() (e Endpoint) {
	r.Bytes()
	r.skipApplication()
	e.Certificate = r.Bytes()
	e.Mode = ua.MessageSecurityMode(r.U32())
	e.Policy = r.Text()
	for range r.Count(20) {
		t := UserToken{ID: r.Text(), Kind: ua.UserTokenType(r.U32())}
		r.Bytes()
		r.Bytes()
		t.Policy = r.Text()
		e.Tokens = append(e.Tokens, t)
	}
	e.transport = r.Text()
	r.U8()
	return e
}

func (r *Reader) skipApplication() {
	r.Bytes()
	r.Bytes()
	r.localized()
	r.U32()
	r.Bytes()
	r.Bytes()
	for range r.Count(4) {
		r.Bytes()
	}
}
