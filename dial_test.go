package snaprail_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// dialling lists, by package, the functions that dial, the values that do it
// when they are used, and the types whose literals are a way out of one's own.
//
// DO NOT CHANGE THIS DATA TO FIX A BUILD. What wants to dial takes a client or a
// dialer of runtime/egress, which looks at every address.
func dialling() map[string][]string {
	return map[string][]string{
		"net":                    {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "Resolver", "DefaultResolver", "LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupMX", "LookupNS", "LookupSRV", "LookupTXT"},
		"net/http":               {"Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultTransport", "Client", "Transport", "NewFileTransport"},
		"net/http/httputil":      {"ReverseProxy", "NewSingleHostReverseProxy"},
		"crypto/tls":             {"Dial", "DialWithDialer", "Dialer"},
		"net/rpc":                {"Dial", "DialHTTP", "DialHTTPPath"},
		"net/smtp":               {"Dial", "SendMail"},
		"syscall":                {"Connect", "Socket"},
		"golang.org/x/sys/unix":  {"Connect", "Socket"},
		"golang.org/x/net/http2": {"Transport"},
		"golang.org/x/net/proxy": {"Dial", "FromEnvironment", "SOCKS5"},
	}
}

// mayDial are the places that may, and why: egress is the way out, and the
// client of the API is the user's own program, not the host. Tests, and what they
// alone import, talk to servers of their own on this machine.
func mayDial(name string) bool {
	return strings.HasSuffix(name, "_test.go") || slices.ContainsFunc([]string{
		"runtime/egress/", "api/client/", "hostfns/peertest/", "hostfns/hostfnstest/", "runtime/abusetest/", "testdata/guests/",
	}, func(folder string) bool { return strings.HasPrefix(name, folder) })
}

// dials lists where a source dials by itself. A type is none of it where it is
// only named, as in *http.Client.
func dials(fset *token.FileSet, file *ast.File) (faults []string) {
	names := map[string][]string{} // what may not be used of an import, by its name here
	for _, spec := range file.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if forbidden := dialling()[importPath]; forbidden != nil {
			name := importPath[strings.LastIndexByte(importPath, '/')+1:]
			if spec.Name != nil {
				name = spec.Name.Name
			}
			if name == "." {
				faults = append(faults, fmt.Sprintf("%s: %s under no name", fset.Position(spec.Pos()), importPath))
			}
			names[name] = forbidden
		}
	}
	pointers := map[ast.Node]bool{} // types that are named and not made
	ast.Inspect(file, func(n ast.Node) bool {
		if star, ok := n.(*ast.StarExpr); ok {
			pointers[star.X] = true
		}
		s, ok := n.(*ast.SelectorExpr)
		if !ok || pointers[s] {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && slices.Contains(names[x.Name], s.Sel.Name) {
			faults = append(faults, fmt.Sprintf("%s: %s.%s", fset.Position(s.Pos()), x.Name, s.Sel.Name))
		}
		return true
	})
	return faults
}

// TestOnlyEgressDials holds all sources to the one way out.
func TestOnlyEgressDials(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		p = filepath.ToSlash(p)
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && !ours(p):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(p, ".go") || mayDial(p):
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		for _, fault := range dials(fset, file) {
			t.Errorf("%s: only runtime/egress dials", fault)
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("%d sources, %v", seen, err)
	}
}

// TestDiallingIsSeen plants ways out and looks whether the rule sees them.
func TestDiallingIsSeen(t *testing.T) {
	for code, want := range map[string]bool{
		`import "net"; var _, _ = net.Dial("tcp", "x:1")`:                                              true,
		`import n "net"; var d = n.Dialer{}`:                                                           true,
		`import "net"; var d = new(net.Dialer)`:                                                        true,
		`import "net"; var d net.Dialer`:                                                               true,
		`import "net"; func f(d *net.Dialer) {}`:                                                       false,
		`import "net"; var ip = net.ParseIP("::1"); var c net.Conn`:                                    false,
		`import "net/http"; var c = http.DefaultClient`:                                                true,
		`import "net/http"; var c = &http.Client{}`:                                                    true,
		`import h "net/http"; type t struct { h.Client }`:                                              true,
		`import "net/http"; type t struct { *http.Client }; func f(c *http.Client) { x := *c; _ = x }`: false,
		`import "net/http"; var get = http.Get`:                                                        true,
		`import . "net/http"; var get = Get`:                                                           true,
		`import "net/http"; var s http.Server`:                                                         false,
		`import "crypto/tls"; var d = tls.Dialer{}`:                                                    true,
		`import "example.com/http"; var g = http.Get`:                                                  false,
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", "package x; "+code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := dials(fset, file); (len(got) > 0) != want {
			t.Errorf("%s: %v", code, got)
		}
	}
}
