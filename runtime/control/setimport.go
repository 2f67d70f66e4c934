package control

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of a server.config.
const (
	maxSources       = 256
	defaultProbePort = 8000
)

// SetInput is a server.config, and what the connectors of its sources are.
type SetInput struct {
	Name         string // of the set
	ServerConfig []byte
	// Remote says that their code is elsewhere, else they run the module or the
	// type that is named.
	Remote                                  bool
	Module, Category, ProviderType, Version string
	Grants                                  []spec.Grant
}

// CreateSet makes a connector for each source that a server.config lists, named
// as the source is, and all of them or none. Those that run here get the rows
// of the file, each with its own source; of those whose code is elsewhere the
// file is the code's business. The set's probe is on the file's tcpProbePort,
// else on 8000, where the tenant may have one; a port that is taken refuses all
// of it.
func (t *Tenant) CreateSet(ctx context.Context, in SetInput) (SetView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return SetView{}, err
	}
	if !setName(in.Name) {
		return SetView{}, invalid([]fault.Field{{Pointer: "/name", Detail: "has 1 to " + strconv.Itoa(maxSetName) + " characters: letters, digits, and . _ - between them"}})
	}
	file, err := readServerConfig(in.ServerConfig)
	if err != nil {
		return SetView{}, err
	}
	made, err := t.createMembers(ctx, in, file)
	var warnings []string
	switch {
	case err != nil:
	case fixed(t.runtime.Probe(in.Name)):
		warnings = append(warnings, "the set keeps the TCP probe that --tcp-probe gives it")
	case t.as.May(identity.Server, identity.Write, t.operates()):
		err = t.probe(ctx, in.Name, file.port)
	default:
		warnings = append(warnings, "the set has no TCP probe: the ports of the server are for its administrators to give")
	}
	if err != nil {
		for _, id := range made {
			_ = t.DeleteConnector(context.WithoutCancel(ctx), id, 0) // a draft: it runs nowhere
		}
		return SetView{}, err
	}
	v, err := t.set(ctx, in.Name)
	v.Warnings = warnings
	return v, err
}

func fixed(p *probe.Status) bool { return p != nil && p.Fixed }

// createMembers makes the connectors. After an error it answers those that it
// has made.
func (t *Tenant) createMembers(ctx context.Context, in SetInput, file serverFile) (made []string, err error) {
	for _, source := range file.sources {
		c := ConnectorInput{Name: source, Set: in.Name, Remote: in.Remote, Grants: in.Grants}
		if !in.Remote {
			c.Module, c.Category, c.ProviderType, c.Version = in.Module, in.Category, in.ProviderType, in.Version
			if c.Params, err = file.rows(source); err != nil {
				return made, err
			}
		}
		v, err := t.CreateConnector(ctx, c)
		if err != nil {
			return made, err
		}
		made = append(made, v.ID)
	}
	return made, nil
}

// serverFile is what a server.config says.
type serverFile struct {
	object  map[string]json.RawMessage
	sources []string
	port    int
}

func readServerConfig(body []byte) (f serverFile, err error) {
	object, _, err := param.Import(param.FormatServerConfig, "", body)
	if err == nil {
		err = json.Unmarshal(object, &f.object)
	}
	if err != nil {
		return f, fault.Of(err)
	}
	var list, port string
	_ = json.Unmarshal(f.object["sources"], &list)        // its properties are
	_ = json.Unmarshal(f.object["tcp_probe_port"], &port) // texts
	seen := map[string]bool{}
	for source := range strings.SplitSeq(list, ",") {
		if source = strings.TrimSpace(source); source != "" && !seen[source] {
			f.sources, seen[source] = append(f.sources, source), true
		}
	}
	var bad []fault.Field
	if n := len(f.sources); n == 0 || n > maxSources {
		bad = append(bad, fault.Field{Pointer: "/sources", Detail: "lists 1 to " + strconv.Itoa(maxSources) + " sources"})
	}
	if f.port = defaultProbePort; port != "" {
		if f.port, err = strconv.Atoi(port); err != nil || f.port < minProbePort {
			bad = append(bad, fault.Field{Pointer: "/tcp_probe_port", Detail: "is from " + strconv.Itoa(minProbePort) + " to 65535"})
		}
	}
	return f, invalid(bad)
}

// rows are the rows of one source's connector.
func (f *serverFile) rows(source string) ([]spec.Param, error) {
	own := maps.Clone(f.object)
	name, err := json.Marshal(source)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "source")
	}
	own["sources"] = name
	delete(own, "tcp_probe_port") // it is the set's
	raw, err := json.Marshal(own)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "server.config")
	}
	return param.Flatten(raw)
}
