package identity

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestHeadIsTheJSONThatItWas holds what is put together by hand to what
// encoding/json makes of a head, which is what older servers have written.
func TestHeadIsTheJSONThatItWas(t *testing.T) {
	a, b := strings.Repeat("a0", 32), strings.Repeat("9f", 32)
	for _, h := range []head{
		{}, {Sequence: 1}, {Sequence: 1<<64 - 1, Hash: a}, {Sequence: 7, Hash: a, From: 1}, {Sequence: 7, Hash: b, From: 3}, {Hash: b},
	} {
		want, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.encoded(); !bytes.Equal(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
		var back head
		if !back.decode(want) || back != h {
			t.Errorf("%s was read as %+v", want, back)
		}
	}
	for _, raw := range []string{
		``, `{}`, `{"sequence":}`, `{"sequence":-1}`, `{"sequence":1`, `{"sequence":1} `, `{"sequence":99999999999999999999}`,
		`{"sequence":1,"hash":"` + a, `{"sequence":1,"hash":"` + a[1:] + `"}`, `{"sequence":1,"hash":"` + a[1:] + `\""}`, `{"sequence":1,"from":1,"hash":"` + a + `"}`,
	} {
		h := head{Sequence: 42}
		if h.decode([]byte(raw)) || h.Sequence != 42 {
			t.Errorf("%s was read as %+v", raw, h)
		}
	}
}
