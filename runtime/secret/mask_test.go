package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
)

func TestMask(t *testing.T) {
	r := newRig(t)
	mask := r.vault("acme").Mask()
	if got := mask.Text("nothing is known"); got != "nothing is known" {
		t.Errorf("masked to %q", got)
	}
	r.seal("acme", secret.Named("a"), "correct horse")
	r.seal("acme", secret.Named("b"), "horse battery")
	r.seal("acme", secret.Named("short"), "12345")
	r.seal("acme", secret.Named("long"), "one that another stands in")
	r.seal("acme", secret.Named("within"), "another")
	for text, want := range map[string]string{
		"":                                 "",
		"horse":                            "horse",
		"correct horse":                    "[masked]",
		"a correct horse, a correct horse": "a [masked], a [masked]",
		"a correct horse battery staple":   "a [masked] staple",
		"one that another stands in.":      "[masked].",
		"correct hors":                     "correct hors",
		"orrect horse":                     "orrect horse",
		"the pin is 12345":                 "the pin is 12345",
		"[masked]":                         "[masked]",
		"over two\nlines correct \nhorse":  "over two\nlines correct \nhorse",
		"ünïcödé\xff correct horse \xffünïcö": "ünïcödé\xff [masked] \xffünïcö",
	} {
		if got := mask.Text(text); got != want {
			t.Errorf("%q is masked to %q, not %q", text, got, want)
		}
		if got := string(mask.Bytes([]byte(text))); got != want {
			t.Errorf("the bytes %q are masked to %q, not %q", text, got, want)
		}
	}
	if got := r.vault("zoo").Mask().Text("a correct horse"); got != "a correct horse" {
		t.Errorf("another tenant's text is masked to %q", got)
	}
	var none *secret.Mask
	if got := none.Text("a correct horse") + string(none.Bytes([]byte("."))); got != "a correct horse." {
		t.Errorf("no mask masks to %q", got)
	}
}

func TestMaskFault(t *testing.T) {
	r := newRig(t)
	r.seal("acme", secret.Named("a"), "correct horse")
	mask := r.vault("acme").Mask()
	f := fault.New(fault.NotConnected, "no correct horse").WithHint("a correct horse").WithRetryAfter(time.Second).
		WithFields(fault.Field{Pointer: "/correct horse", Detail: "correct horse"}, fault.Field{Pointer: "/a", Detail: "b"})
	got := mask.Fault(f)
	if got.Kind != f.Kind || got.Text != "no [masked]" || got.Hint != "a [masked]" || got.RetryAfter != time.Second ||
		got.Fields[0] != (fault.Field{Pointer: "/[masked]", Detail: "[masked]"}) || got.Fields[1] != f.Fields[1] {
		t.Errorf("%+v", got)
	}
	if f.Fields[0].Detail != "correct horse" {
		t.Error("the fault itself was changed")
	}
	wrapped := fault.Wrap(fault.NotConnected, f, "of a correct horse")
	if got := mask.Fault(wrapped); got.Unwrap() != nil {
		t.Error("the cause still says it")
	}
	if plain := fault.New(fault.NotFound, "nothing"); mask.Fault(plain) != plain {
		t.Error("a fault without a secret is another")
	}
}

// TestMaskForms: whatever the value, the ways in which it gets into texts are
// masked, wherever it stands.
func TestMaskForms(t *testing.T) {
	r := newRig(t)
	v := r.vault("acme")
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.StringMatching(`[a-zA-Z0-9+/&<>"'\\ %=?ü\n]{6,80}`),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 6, 300), func(b []byte) string { return string(b) }),
		).Draw(t, "value")
		before := rapid.StringN(0, 9, -1).Draw(t, "before")
		n++
		err := r.space("acme").Update(r.Context(), func(w store.Writer) error {
			_, err := v.Seal(w, secret.Named(fmt.Sprint(n)), []byte(value))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		quoted, _ := json.Marshal(value)
		var unescaped strings.Builder // as most languages write it
		e := json.NewEncoder(&unescaped)
		e.SetEscapeHTML(false)
		_ = e.Encode(value)
		others := strings.TrimSuffix(unescaped.String(), "\n")
		for form, text := range map[string]string{
			"as it is":   value,
			"query":      url.QueryEscape(value),
			"path":       url.PathEscape(value),
			"JSON":       string(quoted[1 : len(quoted)-1]),
			"JSON too":   others[1 : len(others)-1],
			"hex":        hex.EncodeToString([]byte(value)),
			"base64":     base64.RawStdEncoding.EncodeToString([]byte(value)),
			"base64 URL": base64.RawURLEncoding.EncodeToString([]byte(value)),
			"basic":      base64.StdEncoding.EncodeToString([]byte(before + value + ".")),
		} {
			got := v.Mask().Text(before + "<" + text + ">" + before)
			if !strings.Contains(got, secret.Masked) || strings.Contains(got, text) {
				t.Fatalf("%s: %q stays in %q", form, text, got)
			}
		}
	})
}

// TestMaskLines: a key of several lines is printed line by line.
func TestMaskLines(t *testing.T) {
	r := newRig(t)
	pem := "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n"
	r.seal("acme", secret.Named("key"), pem)
	for line := range strings.Lines(pem) {
		if got := r.vault("acme").Mask().Text("tls: " + strings.TrimSpace(line)); got != "tls: [masked]" {
			t.Errorf("shown: %q", got)
		}
	}
}

// TestMaskAfterAChange: a value that was replaced or dropped is masked on, since
// a guest may still have it, and so is whatever else is the same.
func TestMaskAfterAChange(t *testing.T) {
	r := newRig(t)
	v := r.vault("acme")
	name := secret.Named("a")
	masked := func(text string, want bool) {
		t.Helper()
		if got := v.Mask().Text(text) == secret.Masked; got != want {
			t.Errorf("%q is masked: %t", text, got)
		}
	}
	r.seal("acme", name, "the first value")
	r.seal("acme", name, "the second value")
	masked("the first value", true)
	masked("the second value", true)
	r.seal("acme", secret.Named("b"), "the second value")
	r.update("acme", func(w store.Writer) error { return v.Drop(w, name) })
	masked("the second value", true)
	r.seal("acme", secret.Named("c"), "the third value")
	r.update("acme", func(w store.Writer) error { return v.Drop(w, secret.Named("c")) })
	masked("the third value", true)
	for i := range 300 { // many changes later
		r.seal("acme", name, fmt.Sprintf("value number %d", i))
	}
	masked("the first value", false)
	masked("the third value", false)
	masked("the second value", true) // it is still that of b
	masked("value number 299", true)
	masked("value number 290", true)
	masked("value number 1", false)

	// A change that was taken back was masked all the same, and so is what is there.
	err := r.space("acme").Update(t.Context(), func(w store.Writer) error {
		if _, err := v.Seal(w, secret.Named("b"), []byte("never committed")); err != nil {
			return err
		}
		return t.Context().Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	masked("never committed", true)
	masked("the second value", true)
}

// TestMaskIsBounded: no choice of secrets and text makes masking slow; where it
// would take too long, all of the text is masked.
func TestMaskIsBounded(t *testing.T) {
	r := newRig(t)
	v := r.vault("acme")
	for i := range 1000 {
		side := fmt.Sprintf("%04d", i) + strings.Repeat("x", 1000)
		r.seal("acme", secret.Named(fmt.Sprint(i)), side+"middle"+strings.Repeat("x", 1000)+fmt.Sprintf("%04d", i))
	}
	text := strings.Repeat(strings.Repeat("x", 1100)+"middle", 8)
	began := time.Now()
	got := v.Mask().Text(text)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
	if got != secret.Masked && got != text {
		t.Errorf("masked to %d bytes", len(got))
	}
	if text := "an ordinary line of the log"; v.Mask().Text(text) != text {
		t.Error("an ordinary line is masked")
	}
}

func TestHammerMask(t *testing.T) {
	r := newRig(t)
	v := r.vault("acme")
	r.seal("acme", secret.Named("fixed"), "correct horse")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				if got := v.Mask().Text("a correct horse"); got != "a [masked]" {
					t.Errorf("masked to %q", got)
				}
				if g == 0 {
					r.seal("acme", secret.Named("changing"), fmt.Sprintf("value number %d", i))
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkMask(b *testing.B) {
	for _, secrets := range []int{0, 1, 1000} {
		b.Run(fmt.Sprint(secrets), func(b *testing.B) {
			mask := secret.NewTestMask(secrets)
			line := strings.Repeat("temperature 21.5 at pump 7; ", 4)
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if mask.Text(line) != line {
					b.Fatal("masked")
				}
			}
		})
	}
}
