package identity

import (
	"regexp"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

func TestTokenForm(t *testing.T) {
	form := regexp.MustCompile(`^snr_[a-z2-7]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$`)
	seen := map[string]bool{}
	for range 1000 {
		id, token := newToken()
		got, ok := tokenID(token)
		if !ok || got != id || !form.MatchString(token) || seen[token] || seen[id] {
			t.Fatalf("%q with the id %q reads as %q, %v", token, id, got, ok)
		}
		seen[token], seen[id] = true, true
	}
}

// TestTokenVector holds the form still: tokens made by an older binary must
// read.
func TestTokenVector(t *testing.T) {
	body := "snr_abcdefghij23_" + strings.Repeat("0", 42) + "1"
	const token = "snr_abcdefghij23_0000000000000000000000000000000000000000001_1Ulo6M"
	if id, ok := tokenID(token); !ok || id != "abcdefghij23" {
		t.Errorf("got %q, %v; its sum is %q", id, ok, sum(body))
	}
}

// TestTokenTypos: one wrong character anywhere is found without the store.
func TestTokenTypos(t *testing.T) {
	_, token := newToken()
	for i := range len(token) {
		for _, c := range []string{"", "_", "x", "Y", "0", "\x00", "é"} {
			if wrong := token[:i] + c + token[i+1:]; wrong != token {
				if _, ok := tokenID(wrong); ok {
					t.Errorf("%q passes for %q", wrong, token)
				}
			}
		}
	}
}

// TestOneForm: a token has no second form that verifies, not even one whose
// sum is right.
func TestOneForm(t *testing.T) {
	s := memory.New()
	defer func() { _ = s.Close() }()
	tokens := New(s.System())
	good, info, err := tokens.Create(t.Context(), "a", "good")
	if err != nil {
		t.Fatal(err)
	}
	bodyLen := tokenLen - sumLen - 1
	forms := []string{good + " ", good + "\n", " " + good, good + "=", strings.ToUpper(good), strings.ToLower(good)}
	for i := len(prefix); i < bodyLen; i++ {
		for _, c := range "0aAyZ9" {
			body := good[:i] + string(c) + good[i+1:bodyLen]
			forms = append(forms, body+"_"+sum(body))
		}
	}
	for i := bodyLen + 1; i < tokenLen; i++ {
		for _, c := range "0aAyZ9" {
			forms = append(forms, good[:i]+string(c)+good[i+1:])
		}
	}
	for _, form := range forms {
		if form == good {
			continue
		}
		if who, err := tokens.Verify(t.Context(), form); !fault.Is(err, fault.Unauthenticated) || who.ID != "" {
			t.Errorf("%q stands for %q as well: %+v, %v", form, info.ID, who, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := memory.New()
	f.Cleanup(func() { _ = s.Close() })
	tokens := New(s.System())
	good, _, err := tokens.Create(f.Context(), "a", "good")
	if err != nil {
		f.Fatal(err)
	}
	_, unknown := newToken()
	for _, token := range []string{
		"", "snr_", "snr____", "Bearer x", good, unknown, " " + good, good + "\n", strings.ToUpper(good),
		good[:tokenLen-1], strings.Replace(good, "_", "__", 1), strings.Repeat("snr_", 1000), "\xff\x00",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		who, err := tokens.Verify(t.Context(), token)
		if token == good {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if !fault.Is(err, fault.Unauthenticated) || who != (Identity{}) || err.Error() != unauthenticated().Error() {
			t.Fatalf("%q: got %+v, %v", token, who, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := memory.New()
	defer func() { _ = s.Close() }()
	tokens := New(s.System())
	token, _, err := tokens.Create(b.Context(), "a", "x")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
