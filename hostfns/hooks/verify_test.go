package hooks

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

const secretKey = "It's a Secret to Everybody"

func mac(of func() hash.Hash, key, text string) []byte {
	m := hmac.New(of, []byte(key))
	_, _ = m.Write([]byte(text))
	return m.Sum(nil)
}

func hexOf(text string) string { return hex.EncodeToString(mac(sha256.New, secretKey, text)) }

// The example in GitHub's own documentation: "Hello, World!" under this secret.
func TestGitHubsOwnExample(t *testing.T) {
	if got := hexOf("Hello, World!"); got != "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" {
		t.Fatal(got)
	}
}

// authCase is one way to prove who one is.
type authCase struct {
	open abi.HookOpen
	good func(*http.Request)   // lets the body "x" in
	bad  []func(*http.Request) // do not
}

func header(pairs ...string) func(*http.Request) {
	return func(q *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			q.Header.Add(pairs[i], pairs[i+1])
		}
	}
}

func authCases(now time.Time) map[string]authCase {
	stamp, old := fmt.Sprint(now.Unix()), fmt.Sprint(now.Add(-6*time.Minute).Unix())
	key := "secret://key"
	github := "X-Hub-Signature-256"
	return map[string]authCase{
		"github": {
			abi.HookOpen{Auth: "hmac", Secret: key, Header: github, Prefix: "sha256="},
			header(github, "sha256="+hexOf("x")),
			[]func(*http.Request){
				header(), header(github, hexOf("x")), header(github, "sha256="+hexOf("y")), header(github, "sha256="), header(github, ""), header(github, "sha256=zz"),
				header(github, "sha256="+hexOf("x")[:32]), header(github, "sha1="+hexOf("x")), header(github, "sha256="+hex.EncodeToString(mac(sha256.New, "other", "x"))),
				// Of two headers, who knows which one the next in line would look at?
				header(github, "sha256="+hexOf("x"), github, "sha256="+hexOf("x")), header(github, "sha256=00", github, "sha256="+hexOf("x")),
				header(github, "sha256="+hexOf("")), header("X-Signature", hexOf("x")),
			},
		},
		"sha1, base64, upper case": {
			abi.HookOpen{Auth: "hmac", Secret: key, Algorithm: "sha1", Encoding: "base64"},
			header("X-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, secretKey, "x"))),
			[]func(*http.Request){header("X-Signature", base64.StdEncoding.EncodeToString(mac(sha256.New, secretKey, "x")))},
		},
		"sha512": {
			abi.HookOpen{Auth: "hmac", Secret: key, Algorithm: "sha512"},
			header("X-Signature", strings.ToUpper(hex.EncodeToString(mac(sha512.New, secretKey, "x")))),
			[]func(*http.Request){header("X-Signature", hexOf("x"))},
		},
		"stripe": {
			abi.HookOpen{Auth: "hmac", Secret: key, Header: "Stripe-Signature", Field: "v1", Timestamp: "t", Signed: "{timestamp}.{body}"},
			header("Stripe-Signature", "t="+stamp+",v1="+hexOf("other")+",v1="+hexOf(stamp+".x")+",v0=1"),
			[]func(*http.Request){
				header("Stripe-Signature", "t="+stamp+",v0="+hexOf(stamp+".x")), header("Stripe-Signature", "v1="+hexOf("x")), header("Stripe-Signature", "v1="+hexOf(".x")),
				header("Stripe-Signature", "t="+old+",v1="+hexOf(old+".x")), header("Stripe-Signature", "t="+stamp+",v1="+hexOf(old+".x")),
				header("Stripe-Signature", "t="+old+",t="+stamp+",v1="+hexOf(old+".x")), header("Stripe-Signature", "t="+stamp+",t="+old+",v1="+hexOf(old+".x")),
				header("Stripe-Signature", "t=9999999999999999999,v1="+hexOf("9999999999999999999.x")), header("Stripe-Signature", "t=-1,v1="+hexOf("-1.x")),
				header("Stripe-Signature", "t="+stamp+strings.Repeat(",v1="+hexOf("other"), maxSignatures)+",v1="+hexOf(stamp+".x")),
			},
		},
		"slack": {
			abi.HookOpen{Auth: "hmac", Secret: key, Header: "X-Slack-Signature", Prefix: "v0=", Timestamp: "x-slack-request-timestamp", Signed: "v0:{timestamp}:{body}"},
			header("X-Slack-Signature", "v0="+hexOf("v0:"+stamp+":x"), "X-Slack-Request-Timestamp", stamp),
			[]func(*http.Request){
				header("X-Slack-Signature", "v0="+hexOf("v0:"+stamp+":x")), header("X-Slack-Signature", "v0="+hexOf("v0:"+old+":x"), "X-Slack-Request-Timestamp", old),
				header("X-Slack-Signature", "v0="+hexOf("v0:"+stamp+":x"), "X-Slack-Request-Timestamp", stamp, "X-Slack-Request-Timestamp", stamp),
				header("X-Slack-Signature", "v0="+hexOf("v0::x")),
			},
		},
		"standard webhooks": {
			abi.HookOpen{
				Auth: "hmac", Secret: key, Header: "webhook-signature", Prefix: "v1,", Encoding: "base64", Timestamp: "webhook-timestamp",
				Signed: "{header:webhook-id}.{timestamp}.{body}",
			},
			header("Webhook-Id", "m1", "Webhook-Timestamp", stamp, "Webhook-Signature", "v2,x v1,"+base64.StdEncoding.EncodeToString(mac(sha256.New, secretKey, "m1."+stamp+".x"))),
			[]func(*http.Request){
				header("Webhook-Id", "m2", "Webhook-Timestamp", stamp, "Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac(sha256.New, secretKey, "m1."+stamp+".x"))),
				header("Webhook-Id", "m1", "Webhook-Id", "m1", "Webhook-Timestamp", stamp, "Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac(sha256.New, secretKey, "m1."+stamp+".x"))),
			},
		},
		"bearer": {
			abi.HookOpen{Auth: "bearer", Secret: "secret://token"},
			header("Authorization", "bearer  t0ken"),
			[]func(*http.Request){
				header(), header("Authorization", "t0ken"), header("Authorization", "Basic t0ken"), header("Authorization", "Bearer t0ke"), header("Authorization", "Bearer "),
				header("Authorization", "Bearer t0ken", "Authorization", "Bearer t0ken"), header("Authorization", "Bearer x", "Authorization", "Bearer t0ken"),
			},
		},
		"a token of its own header": {
			abi.HookOpen{Auth: "bearer", Secret: "secret://token", Header: "x-gitlab-token"},
			header("X-Gitlab-Token", "t0ken"),
			[]func(*http.Request){header("X-Gitlab-Token", "Bearer t0ken"), header("Authorization", "Bearer t0ken"), header("X-Gitlab-Token", "")},
		},
		"basic": {
			abi.HookOpen{Auth: "basic", Username: "u", Password: "secret://token"},
			func(q *http.Request) { q.SetBasicAuth("u", "t0ken") },
			[]func(*http.Request){
				header(), func(q *http.Request) { q.SetBasicAuth("v", "t0ken") }, func(q *http.Request) { q.SetBasicAuth("u", "x") }, func(q *http.Request) { q.SetBasicAuth("ut", "0ken") },
				func(q *http.Request) { q.SetBasicAuth("u", "t0ken"); q.Header.Add("Authorization", "Basic x") },
			},
		},
	}
}

// Who can prove it comes in, and the guest sees no proof that another could use. Who
// cannot is answered as if there were nothing.
func TestWhoComesIn(t *testing.T) {
	for name, c := range authCases(time.Now()) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{})
			s := r.opened(c.open)
			absent := r.send(t.Context(), http.MethodPost, "/con_none/a", "x")
			for i, bad := range c.bad {
				g := r.post("/a", "x", bad)
				if r.wants(g, 404, fault.NotFound); g.body != absent.body || len(g.header) != len(absent.header) {
					t.Errorf("bad %d: %+v, and of what is not there: %+v", i, g, absent)
				}
			}
			if n := s.Condition(); n.Buffered != 0 || n.Counts[wrongSignature]+n.Counts[staleTimestamp]+n.Counts[wrongLogin] != uint64(len(c.bad)) {
				t.Errorf("%+v", n)
			}
			if c.open.Auth == "hmac" { // the body is what is signed
				r.wants(r.post("/a", "X", c.good), 404, fault.NotFound)
			}
			answered := r.sent("/a", "x", c.good)
			for _, h := range s.take(1)[0].Headers {
				if strings.Contains(string(h.Value), "t0ken") {
					t.Errorf("the guest sees %s: %s", h.Name, h.Value)
				}
			}
			s.settle(1)
			if g := r.answer(answered); g.status != 202 {
				t.Errorf("%+v", g)
			}
			r.empty()
		})
	}
}
