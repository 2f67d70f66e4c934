package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
)

// gatewayCategory is the category of what a gateway's main file lists.
const gatewayCategory = "telemetry"

// gatewayProvider is the provider type of a connector of a gateway, by the type
// that the gateway knows it by. One that is not named here is looked for under
// its own name, so that a module that was made for it is found.
func gatewayProvider(kind string) string {
	if kind == "serial" {
		return "serialline"
	}
	return kind
}

// gatewayEntry is one item of the connectors of a gateway's main file
// (tb_gateway.yaml).
type gatewayEntry struct {
	Name          string `json:"name"`
	Type          string `json:"type"`
	Configuration string `json:"configuration"` // a file beside the main file
}

// gatewayDocument is the document of a connector that a gateway's file lists.
type gatewayDocument struct {
	Kind         string          `json:"kind"`
	Name         string          `json:"name"`
	Category     string          `json:"category"`
	ProviderType string          `json:"provider_type"`
	Config       json.RawMessage `json:"config,omitempty"`
}

// gatewayEntries are the connectors of a document that is a gateway's main
// file: it has no kind, and a list of connectors each of which has a type.
func gatewayEntries(doc json.RawMessage) (entries []gatewayEntry, others []string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(doc, &fields) != nil || fields["kind"] != nil {
		return nil, nil
	}
	if json.Unmarshal(fields["connectors"], &entries) != nil {
		return nil, nil
	}
	if slices.ContainsFunc(entries, func(e gatewayEntry) bool { return e.Type == "" }) {
		return nil, nil
	}
	delete(fields, "connectors")
	return entries, slices.Sorted(maps.Keys(fields))
}

// addGateway adds a document for each connector of a gateway's main file.
func (s *documentSet) addGateway(file string, entries []gatewayEntry, others []string) error {
	for i, e := range entries {
		d := gatewayDocument{Kind: "connector", Name: e.Name, Category: gatewayCategory, ProviderType: gatewayProvider(e.Type)}
		var err error
		if e.Configuration != "" {
			if d.Config, err = s.gatewayConfig(file, e.Configuration); err != nil {
				return err
			}
			var own []gatewayDevice
			if d.Config, own, err = takeConverters(e.Name, e.Type, d.Config); err != nil {
				return err
			}
			s.devices = append(s.devices, own...)
		}
		raw, err := json.Marshal(d)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "documents")
		}
		s.all = append(s.all, fileDocument{file: file, index: i, json: raw})
	}
	if len(others) > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%s: only its connectors are read, and not %s", file, strings.Join(others, ", ")))
	}
	return nil
}

// gatewayConfig is what a connector's own file holds. That is no document,
// though it may lie in a directory of such.
func (s *documentSet) gatewayConfig(file, name string) (json.RawMessage, error) {
	if file == stdinFile || !filepath.IsLocal(name) {
		return nil, fault.New(fault.Usage, "%s: the configuration %q is no file beside it", file, name)
	}
	path := filepath.Join(filepath.Dir(file), name)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "configuration of a connector of %s", file)
	}
	config, _, err := param.Import(name, "", raw)
	if err != nil {
		f := *fault.Of(err)
		f.Text = path + ": " + f.Text
		return nil, &f
	}
	s.configs = append(s.configs, path)
	return config, nil
}

// withoutConfigs takes out what was read as a document and is a connector's own
// file.
func (s *documentSet) withoutConfigs() {
	s.all = slices.DeleteFunc(s.all, func(d fileDocument) bool { return slices.Contains(s.configs, filepath.Clean(d.file)) })
}
