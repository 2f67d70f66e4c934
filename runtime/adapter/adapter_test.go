package adapter_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/adapter"
	"github.com/snaprail/snaprail/runtime/fault"
)

func call(t *testing.T, a *adapter.Tenant, operation string, args map[string]any) (map[string]any, error) {
	t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.Call(t.Context(), "storage", operation, raw)
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer, nil
}

func must(t *testing.T, a *adapter.Tenant, operation string, args map[string]any) map[string]any {
	t.Helper()
	answer, err := call(t, a, operation, args)
	if err != nil {
		t.Fatalf("%s %v: %v", operation, args, err)
	}
	return answer
}

func wants(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("got %v, want %v", err, kind)
	}
}

func data(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func paths(t *testing.T, a *adapter.Tenant, args map[string]any) (list []string) {
	t.Helper()
	items, _ := must(t, a, "list", args)["items"].([]any)
	for _, i := range items {
		item, _ := i.(map[string]any)
		p, _ := item["path"].(string)
		list = append(list, p)
	}
	return list
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	all := adapter.New(adapter.Config{Dir: dir})
	a := all.Tenant("plant")
	if got := must(t, a, "put", map[string]any{"path": "reports/may.txt", "data": data("one")}); got["size"] != 3.0 {
		t.Errorf("%v", got)
	}
	must(t, a, "put", map[string]any{"path": "reports/may.txt", "data": data("three")})
	must(t, a, "put", map[string]any{"path": "reports/june.txt", "data": data("")})
	must(t, a, "put", map[string]any{"path": "Übersicht.txt", "data": data("x")})
	if got := must(t, a, "get", map[string]any{"path": "reports/may.txt"}); got["data"] != data("three") || got["size"] != 5.0 {
		t.Errorf("%v", got)
	}
	if got := paths(t, a, map[string]any{"prefix": "reports/"}); strings.Join(got, " ") != "reports/june.txt reports/may.txt" {
		t.Errorf("%q", got)
	}
	if got := must(t, a, "list", map[string]any{"limit": 1}); got["truncated"] != true {
		t.Errorf("%v", got)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "plant", "reports", "may.txt"))
	if err != nil || string(raw) != "three" {
		t.Errorf("on disk: %q, %v", raw, err)
	}
	must(t, a, "delete", map[string]any{"path": "reports/may.txt"})
	must(t, a, "delete", map[string]any{"path": "reports/june.txt"})
	if _, err := os.Stat(filepath.Join(dir, "plant", "reports")); !os.IsNotExist(err) {
		t.Errorf("the empty folder stays: %v", err)
	}
	for _, operation := range []string{"get", "stat", "delete"} {
		_, err := call(t, a, operation, map[string]any{"path": "reports/may.txt"})
		wants(t, err, fault.NotFound)
	}
	if got := paths(t, all.Tenant("other"), nil); len(got) != 0 {
		t.Errorf("another tenant sees %q", got)
	}
}

// TestRemove leaves nothing of one tenant, and the other's as it is.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	all := adapter.New(adapter.Config{Dir: dir, MaxFiles: 2})
	for _, id := range []string{"plant", "other"} {
		must(t, all.Tenant(id), "put", map[string]any{"path": "a/b", "data": data("x")})
	}
	if err := all.Remove("plant"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "plant")); !os.IsNotExist(err) {
		t.Errorf("the folder stays: %v", err)
	}
	if got := paths(t, all.Tenant("other"), nil); len(got) != 1 {
		t.Errorf("the other tenant has %q", got)
	}
	must(t, all.Tenant("plant"), "put", map[string]any{"path": "c", "data": data("x")})
	if err := (*adapter.Adapters)(nil).Remove("plant"); err != nil {
		t.Error(err)
	}
}

// TestPathsThatLeadElsewhere: none leads out of the tenant's folder, nor to
// what only one system understands.
func TestPathsThatLeadElsewhere(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := adapter.New(adapter.Config{Dir: filepath.Join(dir, "files")}).Tenant("plant")
	must(t, a, "put", map[string]any{"path": "a/b", "data": data("x")})
	for _, p := range []string{
		"", ".", "..", "/", "/etc/passwd", "../outside.txt", "a/../../outside.txt", "a/./b", "a//b", "a/", "a/..",
		`..\outside.txt`, `C:\x`, "c:x", "a\x00b", "a\nb", "x\u202ey\x7f", ".hidden", "a/.partial-x", "a.", "a ", "a/ ",
		strings.Repeat("x", 201), strings.Repeat("x/", 300) + "x", "a\xffb", "con?", "a*b", "a|b",
	} {
		for _, operation := range []string{"put", "get", "stat", "delete"} {
			raw := fmt.Appendf(nil, `{"path":%q,"data":"eA=="}`, p)
			if encoded, err := json.Marshal(map[string]string{"path": p, "data": "eA=="}); err == nil {
				raw = encoded
			}
			_, err := a.Call(t.Context(), "storage", operation, raw)
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s %q: %v", operation, p, err)
			}
		}
	}
	for link, to := range map[string]string{"link": outside, "up": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, "files", "plant", link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"link", "up/outside.txt", "up/x"} {
		for _, operation := range []string{"get", "stat", "delete"} {
			if _, err := call(t, a, operation, map[string]any{"path": p}); err == nil {
				t.Errorf("%s %q went through a link", operation, p)
			}
		}
		if _, err := call(t, a, "put", map[string]any{"path": p, "data": data("overwritten")}); err == nil {
			t.Errorf("put %q went through a link", p)
		}
	}
	if got := paths(t, a, nil); strings.Join(got, " ") != "a/b" {
		t.Errorf("listed: %q", got)
	}
	if raw, err := os.ReadFile(outside); err != nil || string(raw) != "secret" {
		t.Errorf("outside is %q, %v", raw, err)
	}
	_, err := call(t, a, "put", map[string]any{"path": "a", "data": data("x")})
	wants(t, err, fault.Exists)
	_, err = call(t, a, "put", map[string]any{"path": "a/b/c", "data": data("x")})
	wants(t, err, fault.Exists)
}

// TestBounds of a tenant's files, which a restart does not forget.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	open := func() *adapter.Tenant {
		return adapter.New(adapter.Config{Dir: dir, MaxBytes: 10, MaxFiles: 2}).Tenant("plant")
	}
	a := open()
	must(t, a, "put", map[string]any{"path": "a", "data": data("12345")})
	must(t, a, "put", map[string]any{"path": "b", "data": data("12345")})
	for range 2 {
		_, err := call(t, a, "put", map[string]any{"path": "c", "data": data("")})
		wants(t, err, fault.QuotaReached)
		_, err = call(t, a, "put", map[string]any{"path": "a", "data": data("123456")})
		wants(t, err, fault.QuotaReached)
		must(t, a, "put", map[string]any{"path": "a", "data": data("54321")})
		// What a crash left half written is removed, and counts for nothing.
		if err := os.WriteFile(filepath.Join(dir, "plant", ".partial-x"), []byte("1234567890"), 0o600); err != nil {
			t.Fatal(err)
		}
		a = open()
	}
	must(t, a, "delete", map[string]any{"path": "b"})
	must(t, a, "put", map[string]any{"path": "c", "data": data("12345")})
	_, err := call(t, a, "put", map[string]any{"path": "c", "data": data(strings.Repeat("x", 701<<10))})
	wants(t, err, fault.TooLarge)
	for _, args := range []map[string]any{{"limit": -1}, {"limit": 1001}, {"prefix": strings.Repeat("x", 513)}, {"limit": "1"}} {
		_, err := call(t, a, "list", args)
		wants(t, err, fault.Invalid)
	}
	_, err = call(t, a, "put", map[string]any{"path": "c", "data": "no base64!"})
	wants(t, err, fault.Invalid)
}

// TestFoldersCountAsFiles: a path makes folders, which fill a disk as well.
func TestFoldersCountAsFiles(t *testing.T) {
	dir := t.TempDir()
	open := func() *adapter.Tenant { return adapter.New(adapter.Config{Dir: dir, MaxFiles: 5}).Tenant("plant") }
	a := open()
	must(t, a, "put", map[string]any{"path": "a/b/c", "data": data("")}) // 3
	_, err := call(t, a, "put", map[string]any{"path": "d/e/f", "data": data("")})
	wants(t, err, fault.QuotaReached)
	a = open()
	must(t, a, "put", map[string]any{"path": "a/b/d", "data": data("")}) // 4
	_, err = call(t, a, "put", map[string]any{"path": "d/e", "data": data("")})
	wants(t, err, fault.QuotaReached)
	must(t, a, "delete", map[string]any{"path": "a/b/c"})
	must(t, a, "delete", map[string]any{"path": "a/b/d"})
	must(t, a, "put", map[string]any{"path": "1/2/3/4/5", "data": data("")})
	_, err = call(t, a, "put", map[string]any{"path": "1/2/3/4/5/6/7/8/9", "data": data("")})
	wants(t, err, fault.Invalid)
}

func TestHammerFiles(t *testing.T) {
	dir := t.TempDir()
	all := adapter.New(adapter.Config{Dir: dir, MaxFiles: 5})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			a := all.Tenant("plant")
			for j := range 30 {
				p := fmt.Sprintf("d%d/f%d", (i+j)%3, j%4)
				_, _ = call(t, a, "put", map[string]any{"path": p, "data": data("x")})
				_, _ = call(t, a, "list", nil)
				_, _ = call(t, a, "delete", map[string]any{"path": p})
			}
		})
	}
	wg.Wait()
	left := 0
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			left++
		}
		return nil
	})
	if left > 5 {
		t.Errorf("%d files, and 5 are allowed", left)
	}
}

// TestTheLogTakesSoManyMessages a minute of each tenant: it lies on the server's
// disk.
func TestTheLogTakesSoManyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := adapter.New(adapter.Config{Dir: t.TempDir()})
		send := func(tenant string) error {
			_, err := all.Tenant(tenant).Call(t.Context(), "messaging", "send", json.RawMessage(`{"text":"x"}`))
			return err
		}
		for i := range 600 {
			if err := send("plant"); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		wants(t, send("plant"), fault.RateLimited)
		if err := send("other"); err != nil {
			t.Errorf("another tenant: %v", err)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		if err := send("plant"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// TestTheLogTakesMessages: with the tenant's name, whole or cut, on one line.
func TestTheLogTakesMessages(t *testing.T) {
	var b bytes.Buffer
	a := adapter.New(adapter.Config{Dir: t.TempDir(), Log: slog.New(slog.NewJSONHandler(&b, nil))}).Tenant("plant")
	for _, c := range []struct{ category, operation, args string }{
		{"email", "send_message", `{"to":"a@example.com","subject":"s","body":"the body is not logged"}`},
		{"messaging", "send", `{"text":"` + strings.Repeat("long ", 1000) + `","channel":"ops"}`},
	} {
		out, err := a.Call(t.Context(), c.category, c.operation, json.RawMessage(c.args))
		if err != nil || string(out) != `{"logged":true}` {
			t.Errorf("%s, %v", out, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 || len(lines[1]) > 2048 || strings.Contains(b.String(), "not logged") {
		t.Fatalf("%q", lines)
	}
	for i, want := range []string{`"to":"a@example.com"`, `"channel":"ops"`} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], `"tenant":"plant"`) {
			t.Errorf("%q", lines[i])
		}
	}
	for _, c := range [][2]string{{"email", "put"}, {"telemetry", "send"}, {"storage", "burn"}} {
		_, err := a.Call(t.Context(), c[0], c[1], json.RawMessage(`{}`))
		wants(t, err, fault.Unsupported)
	}
}
