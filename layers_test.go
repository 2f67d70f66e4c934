// Package snaprail_test holds the rules of the house as tests: who may import
// whom, that every package says what it is, and that every promised behaviour
// is accounted for. It imports the standard library alone; nothing imports it.
//
// It reads the sources itself, so that files built only for guests count too.
package snaprail_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/snaprail/snaprail"

// house is the whole import order of the project, lowest first.
//
// DO NOT CHANGE THIS DATA TO FIX A BUILD. An import that it forbids is a
// question about the design; the answer belongs in RATIONALE.md.
//
// A row is a folder and what of ours it may import: folders of rows above it,
// so imports go down by construction. A folder without a row inherits that of
// the nearest folder above it that has one. Inside a row, a folder may import
// those above and below it; siblings do not see each other. "x/..." is x with
// all below it, "runtime" all rows of runtime/ above, "everything" all rows,
// "*" any one folder, "-" nothing.
const house = `
.ci/summary              -

guest-sdk/abi/wire       -
guest-sdk/abi            guest-sdk/abi/wire
guest-sdk/go/hostcall    guest-sdk/abi
guest-sdk/go             guest-sdk/abi guest-sdk/go/hostcall
guest-sdk/guesttest      guest-sdk/abi guest-sdk/go guest-sdk/go/hostcall
connectors-wasm/shelf    -
connectors-wasm          guest-sdk/... connectors-wasm/shelf
.ci/shelve               connectors-wasm/shelf
testdata/guests          guest-sdk/...

runtime/fault            guest-sdk/abi
runtime/spec             guest-sdk/abi runtime/fault
runtime/lifecycle        runtime/fault runtime/spec
runtime/mask             runtime/fault

runtime/store            runtime/fault runtime/spec
runtime/outbox           guest-sdk/abi guest-sdk/abi/wire runtime/fault runtime/spec
runtime/secret           guest-sdk/abi runtime/fault runtime/spec runtime/mask runtime/store
runtime/identity         guest-sdk/abi runtime/fault runtime/spec runtime/store

runtime/capability       guest-sdk/abi runtime/fault runtime/spec
runtime/queue            guest-sdk/abi runtime/fault runtime/spec runtime/capability
runtime/egress           runtime/fault runtime/spec
runtime/probe            runtime/fault
runtime/framing          guest-sdk/abi runtime/fault

runtime/wasmbin          runtime/fault
runtime/wasmbin/wasmtest -
runtime/engine           guest-sdk/abi runtime/fault runtime/spec runtime/capability runtime/wasmbin

runtime/param            guest-sdk/abi runtime/fault runtime/spec runtime/store runtime/secret
runtime/catalog          guest-sdk/abi runtime/fault runtime/spec runtime/store runtime/param runtime/capability runtime/wasmbin runtime/engine
runtime/adapter          runtime/fault
runtime/device           guest-sdk/abi runtime/fault runtime/spec runtime/outbox runtime/store runtime/secret
runtime/device/twin      guest-sdk/abi runtime/fault runtime/spec runtime/outbox runtime/store
runtime/deploy           guest-sdk/abi runtime/fault runtime/spec runtime/store runtime/secret

runtime/exchange         guest-sdk/abi runtime/fault runtime/spec
runtime/interlock        guest-sdk/abi runtime/fault runtime/spec runtime/store
runtime/flow             guest-sdk/abi runtime/fault runtime/spec
runtime/actor            guest-sdk/abi runtime/fault runtime/spec runtime/lifecycle runtime/capability runtime/exchange runtime/flow runtime/outbox runtime/engine
runtime/delivery         guest-sdk/abi runtime/fault runtime/spec runtime/flow runtime/outbox runtime/store
runtime/supervisor       guest-sdk/abi runtime
runtime/control          guest-sdk/abi runtime
runtime/cluster          guest-sdk/abi runtime
runtime/backup           guest-sdk/abi runtime
runtime/abusetest        guest-sdk/abi runtime runtime/wasmbin/wasmtest

hostfns/*                guest-sdk/abi runtime/fault runtime/spec runtime/mask runtime/capability runtime/queue runtime/egress runtime/framing runtime/flow
hostfns/hostfnstest      guest-sdk/abi runtime/fault runtime/spec runtime/mask runtime/capability runtime/queue runtime/egress runtime/framing runtime/flow runtime/engine
hostfns/peertest         guest-sdk/abi runtime/fault runtime/spec runtime/mask runtime/capability runtime/queue runtime/egress runtime/framing runtime/flow runtime/engine

api                      guest-sdk/abi runtime/fault runtime/spec runtime/lifecycle runtime/control runtime/identity
cmd/snaprail             everything
`

// rooms says where a third party may live: a module, and the folders (with all
// below them) that may import it. A third party without a row lives nowhere.
const rooms = `
github.com/tetratelabs/wazero         runtime/engine
github.com/extism                     runtime/engine testdata/guests
github.com/dgraph-io                  runtime/store/badger
github.com/labstack                   api
github.com/danielgtaylor/huma         api
github.com/coder/websocket            api
github.com/klauspost/compress         connectors-wasm/shelf
go.bug.st/serial                      hostfns
github.com/gopcua/opcua               hostfns
github.com/twmb/franz-go              hostfns
go.yaml.in/yaml                       runtime cmd
github.com/creack/pty                 hostfns cmd
github.com/spf13                      cmd
github.com/prometheus                 api cmd
github.com/santhosh-tekuri/jsonschema runtime
golang.org/x/crypto                   runtime
golang.org/x/oauth2                   runtime/identity/oidc
github.com/coreos/go-oidc             runtime/identity/oidc
golang.org/x/net                      runtime
golang.org/x/sync                     runtime hostfns api cmd
golang.org/x/sys                      runtime hostfns cmd
golang.org/x/text                     runtime
`

// source is what the rules know of one Go file.
type source struct {
	dir     string
	name    string
	imports []string
	doc     string // the package comment
	pkg     string
	funcs   []string // top level functions without a receiver
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// sources reads every Go file of the project, whatever it is built for.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		p = filepath.ToSlash(p)
		if d.IsDir() {
			if p != "." && !ours(p) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		s, err := read(p)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("found no Go files")
	}
	return all
}

// ours reports whether a folder can hold packages of the project. The tool
// chain ignores the same folders, but for our own in .ci and testdata.
func ours(dir string) bool {
	base := path.Base(dir)
	switch {
	case dir == ".ci", dir == "testdata":
		return true
	case dir == "bin", base == "testdata", base == "node_modules":
		return false
	}
	return !strings.HasPrefix(base, ".") && !strings.HasPrefix(base, "_")
}

func read(p string) (source, error) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(p), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{dir: path.Dir(p), name: path.Base(p), pkg: f.Name.Name, doc: f.Doc.Text()}
	for _, i := range f.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, imported)
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
			s.funcs = append(s.funcs, fn.Name.Name)
		}
	}
	return s, nil
}

// row is one line of a table: a folder or a module, and its words.
type row struct {
	key   string
	words []string
}

func table(text string) []row {
	var rows []row
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 {
			rows = append(rows, row{key: f[0], words: f[1:]})
		}
	}
	return rows
}

// layers is the house and the rooms, ready to judge an import.
type layers struct {
	house, rooms []row
}

// room is the row that a folder belongs to, and where that row begins in the
// tree: the folder itself or one above it.
func (l layers) room(dir string) (r row, at string, found bool) {
	for at = dir; at != "."; at = path.Dir(at) {
		for _, r := range l.house {
			if r.key == at {
				return r, at, true
			}
		}
		for _, r := range l.house {
			if ok, err := path.Match(r.key, at); ok && err == nil {
				return r, at, true
			}
		}
	}
	return row{}, "", false
}

// fault says why a file outside tests must not import this path; "" if it may.
func (l layers) fault(s source, imported string) string {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	switch {
	case isOwn:
		return l.ownFault(s.dir, own)
	case imported == "C":
		return "the binary is built without cgo"
	case strings.Contains(strings.SplitN(imported, "/", 2)[0], "."):
		return l.thirdPartyFault(s.dir, imported)
	}
	return "" // the standard library
}

func (l layers) ownFault(dir, imported string) string {
	r, at, found := l.room(dir)
	if !found {
		return "" // told once for the folder, not for each import
	}
	if forTests(imported) && !forTests(dir) {
		return "only tests may import it"
	}
	if _, other, _ := l.room(imported); other == at {
		if within(dir, imported) || within(imported, dir) {
			return ""
		}
		return "siblings do not see each other"
	}
	for _, word := range r.words {
		if l.allows(r, word, imported) {
			return ""
		}
	}
	return fmt.Sprintf("%s may import only: %s", r.key, strings.Join(r.words, " "))
}

// allows reports whether a word of this row covers the folder.
func (l layers) allows(r row, word, imported string) bool {
	switch {
	case word == "everything":
		return true
	case word == "runtime":
		return strings.HasPrefix(imported, "runtime/") && l.above(r, imported)
	case strings.HasSuffix(word, "/..."):
		return within(imported, strings.TrimSuffix(word, "/..."))
	}
	return word == imported
}

// above reports whether the table has this key above the row.
func (l layers) above(r row, key string) bool {
	for _, other := range l.house {
		if other.key == r.key {
			return false
		}
		if other.key == key {
			return true
		}
	}
	return false
}

func (l layers) thirdPartyFault(dir, imported string) string {
	if forTests(dir) {
		return ""
	}
	for _, r := range l.rooms {
		if !within(imported, r.key) {
			continue
		}
		if slices.ContainsFunc(r.words, func(room string) bool { return within(dir, room) }) {
			return ""
		}
		return fmt.Sprintf("%s lives in: %s", r.key, strings.Join(r.words, " "))
	}
	return "it has no room in this house"
}

// within reports whether a path is another one or lies below it.
func within(p, above string) bool {
	return p == above || strings.HasPrefix(p, above+"/")
}

// forTests reports whether a folder serves tests alone, by its name.
func forTests(dir string) bool {
	return strings.HasSuffix(dir, "test")
}

// faults judges files and says what is wrong, in order.
func (l layers) faults(files []source) []string {
	var all []string
	for _, s := range files {
		if s.isTest() {
			continue
		}
		if _, _, found := l.room(s.dir); !found {
			all = append(all, s.dir+": a folder with Go files that is not in the house")
		}
		for _, imported := range s.imports {
			if why := l.fault(s, imported); why != "" {
				all = append(all, fmt.Sprintf("%s/%s imports %s: %s", s.dir, s.name, imported, why))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// badRows says which words of the house are neither a row above nor one of the
// keywords.
func (l layers) badRows() []string {
	var all []string
	for _, r := range l.house {
		for _, word := range r.words {
			folder := strings.TrimSuffix(word, "/...")
			known := word == "-" || word == "everything" || word == "runtime" || l.above(r, word) ||
				(folder != word && slices.ContainsFunc(l.house, func(o row) bool { return within(o.key, folder) && l.above(r, o.key) }))
			if !known {
				all = append(all, fmt.Sprintf("%s: %s is not above it", r.key, word))
			}
		}
	}
	return all
}

func TestLayers(t *testing.T) {
	l := layers{table(house), table(rooms)}
	for _, fault := range append(l.badRows(), l.faults(sources(t))...) {
		t.Error(fault)
	}
}

// TestLayersSeeFaults plants imports and looks whether the rules see them.
func TestLayersSeeFaults(t *testing.T) {
	l := layers{table(house), table(rooms)}
	const own = module + "/"
	for _, tt := range []struct{ dir, imported, want string }{
		// ours
		{"runtime/spec", own + "runtime/fault", ""},
		{"runtime/fault", own + "runtime/spec", "may import only"},
		{"guest-sdk/abi", own + "guest-sdk/abi/wire", ""},
		{"guest-sdk/abi", own + "runtime/fault", "may import only"},
		{"guest-sdk/go", own + "guest-sdk/abi/wire", "may import only"},
		{"guest-sdk/go/serial", own + "guest-sdk/abi", ""},
		{"guest-sdk/go/serial", own + "guest-sdk/go/hostcall", ""},
		{"guest-sdk/go/serial", own + "guest-sdk/go/kv", "siblings"},
		{"guest-sdk/go/hostcall", own + "guest-sdk/go", "may import only"},
		{"connectors-wasm/serialline", own + "guest-sdk/go/serial", ""},
		{"connectors-wasm/serialline", own + "runtime/fault", "may import only"},
		{"connectors-wasm/serialline", own + "connectors-wasm/textframe", "siblings"},
		{"testdata/guests/echo", own + "runtime/engine", "may import only"},
		{"runtime/store/badger", own + "runtime/store", ""},
		{"runtime/store", own + "runtime/store/memory", ""},
		{"runtime/store/badger", own + "runtime/store/memory", "siblings"},
		{"runtime/store/badger", own + "runtime/outbox", "may import only"},
		{"runtime/actor", own + "runtime/store", "may import only"},
		{"runtime/supervisor", own + "runtime/actor", ""},
		{"runtime/supervisor", own + "runtime/store/badger", "may import only"},
		{"runtime/supervisor", own + "runtime/control", "may import only"},
		{"runtime/control", own + "runtime/supervisor", ""},
		{"hostfns/serial", own + "runtime/capability", ""},
		{"hostfns/serial", own + "hostfns/kv", "may import only"},
		{"hostfns/serial", own + "runtime/engine", "may import only"},
		{"hostfns/hostfnstest", own + "runtime/engine", ""},
		{"hostfns/serial", own + "hostfns/hostfnstest", "only tests"},
		{"cmd/snaprail", own + "runtime/store/badger", ""},
		{"cmd/snaprail", own + "runtime/store/storetest", "only tests"},
		{"api/console", own + "runtime/store", "may import only"},
		// third parties
		{"runtime/engine", "github.com/tetratelabs/wazero/api", ""},
		{"runtime/actor", "github.com/tetratelabs/wazero/api", "lives in: runtime/engine"},
		{"runtime/store", "github.com/dgraph-io/badger/v4", "lives in: runtime/store/badger"},
		{"cmd/snaprail", "github.com/labstack/echo/v4", "lives in: api"},
		{"runtime/actor", "go.bug.st/serial", "lives in: hostfns"},
		{"cmd/snaprail", "github.com/creack/pty", ""},
		{"api", "github.com/spf13/cobra", "lives in: cmd"},
		{"guest-sdk/abi", "golang.org/x/sys/unix", "lives in"},
		{"guest-sdk/go", "google.golang.org/protobuf/proto", "no room"},
		{"runtime/store/storetest", "pgregory.net/rapid", ""},
		{"cmd/snaprail", "C", "cgo"},
		{"cmd/snaprail", "net/http", ""},
		// folders
		{"runtime/manager", "fmt", "not in the house"},
		{"hostfns", "fmt", "not in the house"},
		{".", "fmt", "not in the house"},
	} {
		got := strings.Join(l.faults([]source{{dir: tt.dir, name: "x.go", imports: []string{tt.imported}}}), "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s imports %s: got %q, want %q", tt.dir, tt.imported, got, tt.want)
		}
	}
	if got := l.faults([]source{{dir: "runtime/fault", name: "x_test.go", imports: []string{own + "runtime/actor"}}}); len(got) > 0 {
		t.Errorf("a test may import more, got %q", got)
	}
	upward := layers{house: table("a b\nb -\n")}
	if len(upward.badRows()) == 0 {
		t.Error("a row that imports one below it was not seen")
	}
}
