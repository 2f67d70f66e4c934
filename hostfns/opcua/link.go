package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/opcua/wire"
	"github.com/snaprail/snaprail/runtime/fault"
)

// link is one connection with its session at the server, and what is watched on
// it. It is never mended: a broken one is closed, and a new one made.
type link struct {
	caller *caller
	who    *credentials
	ch     *wire.Channel
	sec    wire.Security
	token  []byte

	namespaces []string
	limits     limits

	// applying lets one change of what is watched happen at a time.
	applying sync.Mutex

	mu    sync.Mutex // guards what follows
	names map[string]*watched
	ids   map[uint32]*watched
	// Publish requests: whether one is under way, since when none was, and when
	// that ended after a long time.
	asking          bool
	paused, resumed time.Time

	made chan struct{} // a token when there may be a first subscription
}

// limits are how many nodes the server takes in one request.
type limits struct{ read, write, monitor int }

// many is how many nodes are sent to a server that names no limit.
const many = 500

func (l *link) do(ctx context.Context, q wire.Request) error {
	q.Token = l.token
	return l.ch.Do(ctx, q)
}

// logIn makes a session and says who we are.
func (l *link) logIn(ctx context.Context, offer wire.Endpoint) error {
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	var serverNonce, server, signature []byte
	var now []wire.Endpoint
	err := l.do(ctx, wire.Request{
		Type: id.CreateSessionRequest_Encoding_DefaultBinary, Reply: id.CreateSessionResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) { l.writeSession(w, nonce) },
		Read: func(r *wire.Reader) {
			r.NodeBytes()
			l.token = bytes.Clone(r.NodeBytes())
			r.U64()
			serverNonce, server = bytes.Clone(r.Bytes()), bytes.Clone(r.Bytes())
			now = r.Endpoints()
			for range r.Count(8) {
				r.Bytes()
				r.Bytes()
			}
			r.Bytes()
			signature = bytes.Clone(r.Bytes())
			r.U32()
		},
	})
	if err != nil {
		return err
	}
	if err := l.proven(server, nonce, signature, now); err != nil {
		return err
	}
	return l.activate(ctx, offer, server, serverNonce)
}

func (l *link) writeSession(w *wire.Writer, nonce []byte) {
	w.Text(l.who.own.uri())
	w.Text("urn:snaprail")
	w.U8(2)
	w.Text("Snaprail " + l.caller.owner)
	w.U32(uint32(ua.ApplicationTypeClient))
	w.Text("")
	w.Text("")
	w.Count(0)
	w.Text("")
	w.Text(l.caller.set.endpoint)
	w.Text("snaprail " + l.caller.owner)
	w.Bytes(nonce)
	if l.sec.None() {
		w.Bytes(nil)
	} else {
		w.Bytes(l.sec.Certificate)
	}
	w.Double(float64(l.caller.set.sessionTimeout.Milliseconds()))
	w.U32(0)
}

// proven checks that the server has the key of its certificate, and that nobody
// has hidden a better endpoint from us.
func (l *link) proven(server, nonce, signature []byte, now []wire.Endpoint) error {
	if l.sec.None() {
		return nil
	}
	if !bytes.HasPrefix(server, l.sec.Server.Raw) || l.sec.Verify(append(bytes.Clone(l.sec.Certificate), nonce...), signature) != nil {
		return fault.New(fault.PeerTLS, "%s does not prove that its certificate is its own", l.caller.set.endpoint)
	}
	if best, err := l.caller.choose(now); err == nil && strength(best.Policy, best.Mode) > strength(l.sec.Policy, l.sec.Mode) {
		return fault.New(fault.PeerTLS, "%s offers better security than it said at first: somebody may be in between", l.caller.set.endpoint)
	}
	return nil
}

// activate says who we are.
func (l *link) activate(ctx context.Context, offer wire.Endpoint, server, nonce []byte) error {
	signature, algorithm, err := l.sec.Sign(append(bytes.Clone(server), nonce...))
	if err != nil {
		return err
	}
	if len(server) == 0 {
		server = offer.Certificate
	}
	who, err := l.identity(ctx, offer, server, nonce)
	if err != nil {
		return err
	}
	var results []uint32
	err = l.do(ctx, wire.Request{
		Type: id.ActivateSessionRequest_Encoding_DefaultBinary, Reply: id.ActivateSessionResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Text(algorithm)
			w.Bytes(signature)
			w.Count(0)
			w.Count(0)
			w.Raw(encodingID(who.kind))
			w.U8(1)
			w.Bytes(who.body)
			w.Text(who.algorithm)
			w.Bytes(who.signature)
		},
		Read: func(r *wire.Reader) {
			r.Bytes()
			results = r.Statuses()
		},
	})
	for _, status := range results {
		if err == nil && status&bad != 0 {
			err = wire.Status(status)
		}
	}
	return err
}

func encodingID(kind uint16) []byte {
	return binary.LittleEndian.AppendUint16([]byte{1, 0}, kind)
}

// bad is the bit that all bad status codes have.
const bad = 0x80000000

// proof is who we are, as the server wants it.
type proof struct {
	kind      uint16
	body      []byte
	algorithm string
	signature []byte
}

// identity is the user's token.
func (l *link) identity(ctx context.Context, offer wire.Endpoint, server, nonce []byte) (p proof, err error) {
	set := &l.caller.set.args
	want := ua.UserTokenTypeAnonymous
	switch {
	case set.Username != "":
		want = ua.UserTokenTypeUserName
	case l.who.user != nil:
		want = ua.UserTokenTypeCertificate
	}
	t, found := pickToken(offer.Tokens, want)
	if !found && want != ua.UserTokenTypeAnonymous {
		return p, fault.New(fault.ConfigInvalid, "%s takes no user of this kind", l.caller.set.endpoint).
			WithHint("Ask who runs the server how users log in: without a name, with name and password, or with a certificate.")
	}
	policy := t.Policy
	if policy == "" {
		policy = l.sec.Policy
	}
	switch want {
	case ua.UserTokenTypeUserName:
		return l.byName(ctx, t, policy, server, nonce)
	case ua.UserTokenTypeCertificate:
		return l.byCertificate(ctx, t, policy, server, nonce)
	default:
		var w wire.Writer
		w.Text(t.ID)
		return proof{kind: id.AnonymousIdentityToken_Encoding_DefaultBinary, body: w.Done()}, nil
	}
}

// pickToken takes the strongest token of a kind.
func pickToken(all []wire.UserToken, kind ua.UserTokenType) (best wire.UserToken, found bool) {
	at := -1
	for _, t := range all {
		n := 0
		for i, p := range policies() {
			if t.Policy == p {
				n = i + 1
			}
		}
		if t.Kind == kind && n > at {
			best, at, found = t, n, true
		}
	}
	return best, found
}

// userSecurity protects what a user's token says.
func (l *link) userSecurity(ctx context.Context, policy string, who *identity, server []byte) (sec wire.Security, err error) {
	sec = wire.Security{Policy: policy, Mode: ua.MessageSecurityModeSignAndEncrypt, Key: who.key, Certificate: who.certificate.Raw, Server: l.sec.Server}
	if sec.None() || sec.Server != nil {
		return sec, nil
	}
	// The channel is open to all, and yet the user's secret need not be.
	sec.Server, err = l.caller.check(ctx, wire.Endpoint{Certificate: server, Policy: policy})
	return sec, err
}

func (l *link) byName(ctx context.Context, t wire.UserToken, policy string, server, nonce []byte) (p proof, err error) {
	sec, err := l.userSecurity(ctx, policy, l.who.own, server)
	if err != nil {
		return p, err
	}
	password, algorithm := []byte(l.who.password), ""
	switch {
	case !sec.None():
		if password, algorithm, err = encrypted(&sec, password, nonce); err != nil {
			return p, err
		}
	case l.sec.Mode != ua.MessageSecurityModeSignAndEncrypt && !l.caller.set.args.AllowInsecure:
		return p, fault.New(fault.PeerTLS, "%s wants the password in the clear", l.caller.set.endpoint)
	}
	var w wire.Writer
	w.Text(t.ID)
	w.Text(l.caller.set.args.Username)
	w.Bytes(password)
	w.Text(algorithm)
	return proof{kind: id.UserNameIdentityToken_Encoding_DefaultBinary, body: w.Done()}, nil
}

// encrypted is a secret for the server's eyes.
func encrypted(sec *wire.Security, secret, nonce []byte) ([]byte, string, error) {
	public, err := sec.ServerKey()
	if err != nil {
		return nil, "", err
	}
	algo, err := uapolicy.Asymmetric(sec.Policy, sec.Key, public)
	if err != nil {
		return nil, "", err
	}
	plain := binary.LittleEndian.AppendUint32(nil, uint32(len(secret)+len(nonce)))
	sealed, err := algo.Encrypt(append(append(plain, secret...), nonce...))
	return sealed, algo.EncryptionURI(), err
}

func (l *link) byCertificate(ctx context.Context, t wire.UserToken, policy string, server, nonce []byte) (p proof, err error) {
	user := l.who.user
	sec, err := l.userSecurity(ctx, policy, user, server)
	if err != nil {
		return p, err
	}
	var w wire.Writer
	w.Text(t.ID)
	w.Bytes(user.certificate.Raw)
	p = proof{kind: id.X509IdentityToken_Encoding_DefaultBinary, body: w.Done()}
	p.signature, p.algorithm, err = sec.Sign(append(bytes.Clone(server), nonce...))
	return p, err
}

// look reads what has to be known of the server: its namespaces, and how much it
// takes at once.
func (l *link) look(ctx context.Context) error {
	values, err := l.readOnce(ctx, []abi.OPCUANode{
		{Node: "i=2255"}, {Node: "i=11705"}, {Node: "i=11707"}, {Node: "i=11714"},
	}, 0)
	if err != nil {
		return err
	}
	l.namespaces = wire.TextArray(values[0].Variant)
	limit := func(v abi.OPCUAValue) int {
		if n := wire.Uint32(v.Variant); n > 0 && v.Status == 0 {
			return int(min(n, many))
		}
		return many
	}
	l.limits = limits{read: limit(values[1]), write: limit(values[2]), monitor: limit(values[3])}
	return nil
}

// probe asks for the server's state: an answer is a sign of life.
func (l *link) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.caller.answer)
	defer cancel()
	values, err := l.readOnce(ctx, []abi.OPCUANode{{Node: "i=2259"}}, 0)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the server does not answer within %v", l.caller.answer)
	case err == nil && values[0].Status&bad != 0:
		return fmt.Errorf("the server's state cannot be read: %w", wire.Status(values[0].Status))
	}
	return err
}

// close ends the session at the server, if that is possible soon, and the
// connection.
func (l *link) close(ctx context.Context) {
	if l.ch.Err() == nil && l.token != nil {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 300*time.Millisecond)
		_ = l.do(call, wire.Request{ // it ends at the server by itself, too
			Type: id.CloseSessionRequest_Encoding_DefaultBinary, Reply: id.CloseSessionResponse_Encoding_DefaultBinary,
			Write: func(w *wire.Writer) { w.Bool(true) },
		})
		cancel()
	}
	l.ch.Close()
}
