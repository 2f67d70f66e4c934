package param_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/runtime/param"
)

// TestYAMLThatIsSlowToReadIsBounded: shapes that parsers are known to be slow
// with, as large as they are taken in, take a second of one core at most.
func TestYAMLThatIsSlowToReadIsBounded(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	most := time.Second
	if raceDetector {
		most *= 10
	}
	fill := func(s string) string { return strings.Repeat(s, param.MaxImport/len(s)) }
	for name, body := range map[string]string{
		"dashes": fill("- "), "questions": fill("? "), "anchors": fill("&a "), "colons": fill("a: "), "flow": "[" + fill("a,"), "maps": "{" + fill("a: 1,"),
		"quotes": fill(`"a" `), "tags": fill("!a "), "lines": fill("a\n"), "keys": fill("a:\n"), "spaces": "a: |\n" + fill("  x\n"), "folded": "a: >\n" + fill("  x\n\n"),
		"comments": fill("#\n"), "documents": fill("---\n"), "aliases": "a: &a 1\nb: [" + fill("*a,") + "]", "long": "a: " + fill("x"), "brackets": fill("[]"), "merge": fill("<<: {}\n"),
		"indented": indented(700), "percent": fill("%a\n"), "tabs": "a:" + fill("\t"), "backslash": `a: "` + fill(`\n`) + `"`, "questions in flow": "[" + fill("? "), "single": "'" + fill("''"),
	} {
		if len(body) > param.MaxImport {
			body = body[:param.MaxImport]
		}
		began := spent(t)
		_, err := param.Documents([]byte(body))
		if took := spent(t) - began; took > most {
			t.Errorf("%s took %s (%.80v)", name, took, err)
		} else {
			t.Logf("%s: %s %.80v", name, took.Round(time.Millisecond), err)
		}
	}
}

// spent is the processor time of this thread so far: what else runs on the
// machine does not count.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
