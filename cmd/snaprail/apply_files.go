package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
)

// maxDocumentFiles bounds what is read of a directory.
const maxDocumentFiles = 1000

// documentSet is the documents of some files, in the order of the files' names.
type documentSet struct {
	all     []fileDocument
	notes   []string // what a person should know of the files
	configs []string // files that others name, and that are no documents
	devices []gatewayDevice
}

// stdinFile is the name of what is read from there.
const stdinFile = "stdin"

type fileDocument struct {
	file  string
	index int // within the file
	json  json.RawMessage
	late  bool // it waits for a module that is not there yet
}

// readDocuments reads files and the YAML and JSON files of directories; -: in.
func readDocuments(names []string, in io.Reader) (*documentSet, error) {
	set := &documentSet{}
	for _, name := range names {
		if name == "-" {
			raw, err := io.ReadAll(io.LimitReader(in, param.MaxImport+1))
			if err != nil {
				return nil, fault.Wrap(fault.Usage, err, "stdin")
			}
			if err := set.add(stdinFile, raw); err != nil {
				return nil, err
			}
			continue
		}
		files, err := documentFiles(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				return nil, fault.Wrap(fault.Usage, err, "documents")
			}
			if err := set.add(file, raw); err != nil {
				return nil, err
			}
		}
	}
	set.withoutConfigs()
	return set, nil
}

// documentFiles are the files to read of a name, sorted.
func documentFiles(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "documents")
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "documents")
	}
	var files []string
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			continue
		}
		if files = append(files, filepath.Join(name, e.Name())); len(files) > maxDocumentFiles {
			return nil, fault.New(fault.TooLarge, "%s has more than %d files of documents", name, maxDocumentFiles)
		}
	}
	return files, nil
}

func (s *documentSet) add(file string, raw []byte) error {
	docs, err := param.Documents(raw)
	if err != nil {
		f := *fault.Of(err)
		f.Text = file + ": " + f.Text
		return &f
	}
	for i, d := range docs {
		if entries, others := gatewayEntries(d); len(entries) > 0 {
			if err := s.addGateway(file, entries, others); err != nil {
				return err
			}
			continue
		}
		if devices, notes, ok := openFactoryDevices(d); ok {
			for _, device := range devices {
				s.all = append(s.all, fileDocument{file: file, index: i, json: device})
			}
			s.notes = append(s.notes, notes...)
			continue
		}
		s.all = append(s.all, fileDocument{file: file, index: i, json: d})
	}
	return nil
}

// modules is where modules are looked up and brought to.
type modules interface {
	// has reports whether the server has a module of this digest.
	has(digest string) (bool, error)
	push(file string) (digest string, err error)
}

// settle puts digests in the places of paths. A module that the server does not
// have is uploaded, or, without upload, becomes a line of the plan with each
// document that waits for it.
func (s *documentSet) settle(on modules, upload bool) (late []client.Change, err error) {
	known := map[string]string{} // digests by path
	for i := range s.all {
		d := &s.all[i]
		var fields map[string]json.RawMessage
		if json.Unmarshal(d.json, &fields) != nil {
			continue // the server says what is wrong with it
		}
		changed, err := s.modulePaths(d, fields, func(file string) (string, error) {
			if digest, found := known[file]; found {
				return digest, nil
			}
			digest, absent, err := bring(on, file, upload)
			if err != nil {
				return "", err
			}
			if absent {
				d.late = true
				late = append(late, client.Change{
					Kind: "module", Name: file, Document: i, Action: "create", Fields: []string{},
					Warnings: []string{"it is not on the server yet, so what is made of it cannot be planned: " + d.title()},
				})
				return digest, nil
			}
			known[file] = digest
			return digest, nil
		})
		if err != nil {
			return nil, err
		}
		if changed {
			if d.json, err = json.Marshal(fields); err != nil {
				return nil, fault.Wrap(fault.Internal, err, "documents")
			}
		}
	}
	return late, nil
}

// bring sees to a module that is named by its path.
func bring(on modules, file string, upload bool) (digest string, absent bool, err error) {
	if upload {
		digest, err = on.push(file)
		return digest, false, err
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", false, fault.Wrap(fault.Usage, err, "module")
	}
	sum := sha256.Sum256(raw)
	digest = hex.EncodeToString(sum[:])
	there, err := on.has(digest)
	return digest, !there, err
}

// modulePaths replaces the paths of modules in a document, relative to its file.
func (s *documentSet) modulePaths(d *fileDocument, fields map[string]json.RawMessage, digest func(string) (string, error)) (changed bool, err error) {
	var name string
	if json.Unmarshal(fields["module"], &name) == nil && strings.HasSuffix(name, ".wasm") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(d.file), name)
		}
		got, err := digest(name)
		if err != nil {
			return false, err
		}
		if fields["module"], err = json.Marshal(got); err != nil {
			return false, fault.Wrap(fault.Internal, err, "documents")
		}
		changed = true
	}
	var converter map[string]json.RawMessage
	if json.Unmarshal(fields["converter"], &converter) != nil || converter == nil {
		return changed, nil //nolint:nilerr // there is none, or the server says what is wrong with it
	}
	inner, err := s.modulePaths(d, converter, digest)
	if err != nil || !inner {
		return changed, err
	}
	if fields["converter"], err = json.Marshal(converter); err != nil {
		return false, fault.Wrap(fault.Internal, err, "documents")
	}
	return true, nil
}

// moduleFiles are the files of modules that documents name.
func (s *documentSet) moduleFiles() (files []string) {
	for i := range s.all {
		var fields map[string]json.RawMessage
		if json.Unmarshal(s.all[i].json, &fields) != nil {
			continue
		}
		_, _ = s.modulePaths(&s.all[i], fields, func(file string) (string, error) { // on a copy, so that nothing can fail
			files = append(files, file)
			return file, nil
		})
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func (d *fileDocument) title() string {
	var head struct{ Kind, Name string }
	_ = json.Unmarshal(d.json, &head) // without them the place alone is told
	return strings.TrimSpace(head.Kind + " " + head.Name)
}

// waiting are those that wait for a module, by kind and name.
func (s *documentSet) waiting() map[string]bool {
	all := map[string]bool{}
	for i := range s.all {
		if s.all[i].late {
			all[s.all[i].title()] = true
		}
	}
	return all
}

// raw are the documents that can be sent now.
func (s *documentSet) raw() []json.RawMessage {
	s.all = slices.DeleteFunc(s.all, func(d fileDocument) bool { return d.late })
	list := make([]json.RawMessage, len(s.all))
	for i, d := range s.all {
		list[i] = d.json
	}
	return list
}

// where is the place of a document, for a message.
func (s *documentSet) where(i int) string {
	if i < 0 || i >= len(s.all) {
		return ""
	}
	return fmt.Sprintf(" (%s, document %d)", visible(s.all[i].file), s.all[i].index+1)
}

// located says of what is wrong with documents in which file they are.
func (s *documentSet) located(err error) error {
	f := *fault.Of(err)
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		rest, ok := strings.CutPrefix(f.Fields[i].Pointer, "/documents/")
		if !ok {
			continue
		}
		number, rest, _ := strings.Cut(rest, "/")
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < len(s.all) {
			f.Fields[i].Detail += s.where(n)
			f.Fields[i].Pointer = "/" + rest
		}
	}
	return &f
}

// served is the modules of a server that is called.
type served struct {
	ctx context.Context //nolint:containedctx // it lives as long as one command
	api *client.Client
}

func modulesOf(ctx context.Context, api *client.Client) modules { return served{ctx, api} }

func (s served) has(digest string) (bool, error) {
	_, err := s.api.Module(s.ctx, digest)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s served) push(file string) (digest string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "module")
	}
	defer f.Close()
	m, _, err := s.api.PushModule(s.ctx, f, nil)
	return m.Digest, err
}

// yamlOf writes documents as a stream of YAML, in the order of their fields.
func yamlOf(docs []json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	for _, d := range docs {
		var n yaml.Node
		if err := yaml.Unmarshal(d, &n); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "export")
		}
		plainStyle(&n)
		if err := enc.Encode(&n); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "export")
		}
	}
	if err := enc.Close(); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "export")
	}
	return b.Bytes(), nil
}

// plainStyle takes JSON's braces and quotes off; a text that would be read as
// something else gets its quotes back from the encoder.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plainStyle(c)
	}
}
