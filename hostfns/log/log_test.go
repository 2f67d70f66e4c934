package log_test

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/runtime/capability"
)

func TestContract(t *testing.T) {
	lines := &hostfnstest.Lines{}
	hostfnstest.Run(t, hostfnstest.Case{
		Group: log.New(),
		Calls: []hostfnstest.Call{
			{Function: "write", Request: abi.LogLine{Level: abi.LogInfo, Target: "main", Text: "up"}, After: func(t *testing.T) {
				t.Helper()
				all := lines.All()
				if len(all) == 0 || all[len(all)-1] != (hostfnstest.Line{Level: abi.LogInfo, Target: "main", Text: "up"}) {
					t.Errorf("logged: %v", all)
				}
			}},
			{Function: "write"},
		},
		Log: `
==> log.write(level=1,target="main",text="up")
<== ok
==> log.write()
<== ok
`,
		Lines: lines,
	})
}

func opened(t *testing.T) (capability.Session, *hostfnstest.Lines) {
	t.Helper()
	lines := &hostfnstest.Lines{}
	s, err := log.New().Open(t.Context(), capability.Scope{Lines: lines}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, lines
}

func write(t *testing.T, s capability.Session, line abi.LogLine) {
	t.Helper()
	if _, err := s.Call(t.Context(), "write", line.Append(nil), nil); err != nil {
		t.Fatal(err)
	}
}

func TestTextIsMadeVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain, 25 °C":            "plain, 25 °C",
		"a\tb":                    "a\tb",
		"a\nb\r":                  `a\nb\r`,
		"\x1b[31mred":             `\x1b[31mred`,
		"\u202eevil\u200b":        `\u202eevil\u200b`,
		strings.Repeat("x", 5000): strings.Repeat("x", 4096) + "... (904 bytes more)",
	} {
		s, lines := opened(t)
		write(t, s, abi.LogLine{Level: 99, Text: in, Target: in})
		got := lines.All()[0]
		if got.Text != want || got.Level != abi.LogCritical || len(got.Target) > 200 {
			t.Errorf("%q: got %+v, want %q", clip(in), got, clip(want))
		}
	}
}

func clip(s string) string { return s[:min(len(s), 40)] }
