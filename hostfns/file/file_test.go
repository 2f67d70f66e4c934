package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/file"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// folder is a real path: grants are matched against what links lead to.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func granted(patterns ...string) capability.Scope {
	return capability.Scope{Grants: []spec.Grant{{Group: "file", Resources: patterns}}}
}

func TestContract(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "meter.log")
	put(t, path, "1\n2\n3\n")
	read := func(offset uint64, most uint32) hostfnstest.Call {
		return hostfnstest.Call{
			Function: "read", Request: abi.FileRead{Handle: 1, Offset: offset, Max: most}, Reply: &abi.FileData{},
		}
	}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  file.New(),
		Grants: granted(dir + "/*").Grants,
		Open:   abi.FileOpen{Path: path},
		Others: []hostfnstest.Message{abi.FileOpen{Path: path + "x"}, abi.FileOpen{Path: "/"}},
		Calls: []hostfnstest.Call{
			read(0, 10),
			{Function: "open", Request: abi.FileOpen{Path: path}, Reply: &abi.Handle{}, Varies: []string{"handle"}},
			read(0, 4), read(4, 4), read(6, 4), read(7, 4), read(0, 0), read(1<<63, 4), read(0, 1<<32-1),
			{Function: "open", Request: abi.FileOpen{Path: "meter.log"}},
			{Function: "open", Request: abi.FileOpen{Path: "/etc/passwd"}},
		},
		Log: strings.ReplaceAll(`
==> file.read(handle=1,max=10)
<== error=not_found
==> file.open(path=PATH)
<== handle=*
==> file.read(handle=1,max=4)
<== data="1\n2\n",size=6
==> file.read(handle=1,offset=4,max=4)
<== data="3\n",size=6
==> file.read(handle=1,offset=6,max=4)
<== size=6
==> file.read(handle=1,offset=7,max=4)
<== size=6
==> file.read(handle=1)
<== size=6
==> file.read(handle=1,offset=9223372036854775808,max=4)
<== error=invalid
==> file.read(handle=1,max=4294967295)
<== data="1\n2\n3\n",size=6
==> file.open(path="meter.log")
<== error=invalid
==> file.open(path="/etc/passwd")
<== error=denied
`, "PATH", hostfnstest.Quoted(path)),
	})
}

func TestOnlyCleanPathsAreOpened(t *testing.T) {
	const maxPath = 4096
	for _, path := range []string{"", "a", "./a", "/a/../b", "/a/", "/a//b", "/a\x00b", "/" + strings.Repeat("a", maxPath)} {
		if _, err := file.New().Target(abi.FileOpen{Path: path}.Append(nil)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.80q: %v", path, err)
		} else if n := len(err.Error()); n > 2*maxPath {
			t.Errorf("%.80q: the error has %d bytes", path, n)
		}
	}
	longest := "/" + strings.Repeat("a", maxPath-1)
	if got, err := file.New().Target(abi.FileOpen{Path: longest}.Append(nil)); err != nil || got.Resource != longest {
		t.Errorf("a path of %d bytes: %v", maxPath, err)
	}
}

// A link, at the end or on the way, leads out of what was granted.
func TestLinksDoNotEscape(t *testing.T) {
	dir := folder(t)
	public, secret := filepath.Join(dir, "public"), filepath.Join(dir, "secret")
	for _, d := range []string{public, secret} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(d, "data"), d)
	}
	link := func(to, at string) string {
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	out := link(filepath.Join(secret, "data"), filepath.Join(public, "out"))
	way := filepath.Join(link(secret, filepath.Join(public, "way")), "data")
	in := link(filepath.Join(public, "data"), filepath.Join(public, "in"))
	scope := granted(public+"/*", public+"/*/*")
	for path, want := range map[string]bool{out: false, way: false, in: true} {
		s, err := file.New().Open(t.Context(), scope, abi.FileOpen{Path: path}.Append(nil))
		if want != (err == nil) || !want && !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", path, err)
		}
		if s != nil {
			closed(t, s)
		}
	}
}

func TestOnlyRegularFiles(t *testing.T) {
	dir := folder(t)
	for _, path := range []string{dir, "/dev/zero"} {
		_, err := file.New().Open(t.Context(), granted(dir, "/dev/*"), abi.FileOpen{Path: path}.Append(nil))
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := file.New().Open(t.Context(), granted("/*", dir+"/*"), abi.FileOpen{Path: dir + "/absent"}.Append(nil))
	if !fault.Is(err, fault.NotFound) || !strings.Contains(fault.Of(err).Advice(), "absent") {
		t.Errorf("absent: %v", err)
	}
}

// A file that is cut short or replaced while it is read.
func TestFileThatChanges(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "log")
	put(t, path, "one\n")
	s, err := file.New().Open(t.Context(), granted(dir+"/*"), abi.FileOpen{Path: path}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	read := func(offset uint64, data string, size uint64) {
		t.Helper()
		out, err := s.Call(t.Context(), "read", abi.FileRead{Handle: 1, Offset: offset, Max: 100}.Append(nil), nil)
		var got abi.FileData
		if err != nil || got.Decode(out) != nil || string(got.Data) != data || got.Size != size {
			t.Errorf("at %d: %q of %d, %v; want %q of %d", offset, got.Data, got.Size, err, data, size)
		}
	}
	read(0, "one\n", 4)
	put(t, path, "1\n") // cut short: the same file
	read(4, "", 2)
	put(t, path, "1\n2\n")
	read(2, "2\n", 4)

	if err := os.Rename(path, path+".1"); err != nil { // rotated
		t.Fatal(err)
	}
	put(t, path+".1", "1\n2\n3\n")
	read(4, "3\n", 6) // what the old one still gets
	read(6, "", 6)    // its end, and no new one yet
	put(t, path, "a longer one\n")
	read(6, "", 0) // told
	read(0, "a longer one\n", 13)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", path); err != nil {
		t.Fatal(err)
	}
	_, err = s.Call(t.Context(), "read", abi.FileRead{Handle: 1, Offset: 13, Max: 100}.Append(nil), nil)
	if !fault.Is(err, fault.Denied) {
		t.Errorf("replaced by a link to elsewhere: %v", err)
	}
}

func closed(t *testing.T, s capability.Session) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTheServersOwnFilesAreNeverOpened: whoever may grant any path does not
// reach the server's keys and tokens by it, nor what the kernel shows of it.
func TestTheServersOwnFilesAreNeverOpened(t *testing.T) {
	data, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{data, other, data + "-beside"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "token"), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(other, "link")
	if err := os.Symlink(filepath.Join(data, "token"), link); err != nil {
		t.Fatal(err)
	}
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(data, alias); err != nil {
		t.Fatal(err)
	}
	g := file.New(alias)
	for path, want := range map[string]bool{
		filepath.Join(data, "token"):           false,
		filepath.Join(alias, "token"):          false,
		link:                                   false,
		"/proc/self/environ":                   false,
		filepath.Join(other, "token"):          true,
		filepath.Join(data+"-beside", "token"): true,
	} {
		scope := granted("/*/*", path, filepath.Join(data, "*"), "/proc/*/*")
		s, err := g.Open(t.Context(), scope, abi.FileOpen{Path: path}.Append(nil))
		switch {
		case err != nil && (want || !fault.Is(err, fault.Denied)):
			t.Errorf("%s: %v", path, err)
		case err == nil && !want:
			t.Errorf("%s was opened", path)
		}
		if err != nil {
			continue
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
