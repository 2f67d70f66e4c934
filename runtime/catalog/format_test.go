package catalog_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFormatsAreAsserted: each of those that a schema may use.
func TestFormatsAreAsserted(t *testing.T) {
	for format, tt := range map[string]struct{ right, wrong []string }{
		"uri":      {[]string{"https://example.com/a?b", "opc.tcp://plant:4840", "secret://name"}, []string{"", "example.com", "/a", "http://[::1", "a b"}},
		"hostname": {[]string{"a", "plc-1.plant.example", "10.0.0.1"}, []string{"", "a_b", "-a", "a b", "a:80", strings.Repeat("a", 64)}},
		"ipv4":     {[]string{"10.0.0.1"}, []string{"", "10.0.0", "10.0.0.256", "::1", "plc"}},
		"ipv6":     {[]string{"::1", "fe80::1"}, []string{"", "10.0.0.1", "::1::", "fe80::1%eth0"}},
		"duration": {
			[]string{"1m30s", "250ms", "0s", "1.5h", "PT1M30S", "P1Y2M3DT4H5M6S", "P2W", "PT0S", "P1D"},
			[]string{"", "10", "-1s", "1 s", "P", "PT", "P1DT", "P1S", "PT1D", "P1D2Y", "P1W2D", "P1.5D", "PD", "1M", "PT1M1M"},
		},
		"date-time": {[]string{"2026-01-31T10:00:00Z", "2026-01-31T10:00:00.5+01:00"}, []string{"", "2026-01-31", "2026-02-31T10:00:00Z", "10:00"}},
		"email":     {[]string{"a@example.com", "a.b+c@plant"}, []string{"", "a", "a@", "a b@example.com", "a@exa mple"}},
		"regex":     {[]string{"", "^[a-z]+$"}, []string{"[", "a{2,1}", "(?<=a)b"}},
		"password":  {[]string{"", "anything"}, nil},
	} {
		schema := json.RawMessage(fmt.Sprintf(`{"properties":{"v":{"type":["string","null"],"format":%q}}}`, format))
		check := func(value any) []string {
			config, err := json.Marshal(map[string]any{"v": value})
			if err != nil {
				t.Fatal(err)
			}
			bad, err := validate(schema, config, "/config")
			if err != nil {
				t.Fatal(err)
			}
			return pointers(bad)
		}
		for _, v := range tt.right {
			if got := check(v); got != nil {
				t.Errorf("%s: %q is refused", format, v)
			}
		}
		for _, v := range tt.wrong {
			if got := check(v); !slices.Equal(got, []string{"/config/v"}) {
				t.Errorf("%s: %q is taken: %v", format, v, got)
			}
		}
		if got := check(nil); got != nil {
			t.Errorf("%s: no text is refused: %v", format, got)
		}
	}
}

// TestPatternsOfAConfigAreBounded: a config that is full of long patterns is
// checked in time.
func TestPatternsOfAConfigAreBounded(t *testing.T) {
	list := slices.Repeat([]string{"a{999}b{999}c{999}"}, 2600)
	config, err := json.Marshal(map[string]any{"v": list})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	bad, err := validate(json.RawMessage(`{"properties":{"v":{"items":{"format":"regex"}}}}`), config, "/config")
	if took := time.Since(start); len(bad) > 0 || err != nil || took > time.Second {
		t.Errorf("took %s: %v, %v", took, bad, err)
	}
}
