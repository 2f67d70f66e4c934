package extism

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sdk "github.com/extism/go-sdk"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Upload is an Extism manifest as it is taken in: one module, and what it asks
// for.
type Upload struct {
	Wasm []byte
	// Manifest is what the field "snaprail" holds: the module's manifest, whose
	// own it takes the place of; nil: none.
	Manifest json.RawMessage
	Proposal spec.Proposal
}

const (
	pageBytes = 64 << 10
	// longestTimeout bounds what is proposed; a connector's limits are checked
	// in any case.
	longestTimeout = 24 * time.Hour
)

// ReadManifest reads an Extism manifest: JSON with exactly one module, whose
// bytes it holds. Nothing is fetched, and no file is read. Errors are faults:
// BodyInvalid, ManifestInvalid.
func ReadManifest(src []byte) (u Upload, err error) {
	var m sdk.Manifest
	if err := json.Unmarshal(src, &m); err != nil {
		return u, fault.Wrap(fault.BodyInvalid, err, "the Extism manifest cannot be read").
			WithHint(`Send {"wasm": [{"data": "<base64>"}]} and what else an Extism manifest has.`)
	}
	var own struct {
		Snaprail json.RawMessage `json:"snaprail"`
	}
	if err := json.Unmarshal(src, &own); err != nil {
		return u, fault.Wrap(fault.BodyInvalid, err, "the Extism manifest cannot be read")
	}
	if u.Wasm, err = module(m.Wasm); err != nil {
		return u, err
	}
	if string(own.Snaprail) != "null" {
		u.Manifest = own.Snaprail
	}
	u.Proposal, err = propose(&m)
	return u, err
}

// module is the one module of a manifest.
func module(entries []sdk.Wasm) ([]byte, error) {
	if len(entries) != 1 {
		return nil, fault.New(fault.ManifestInvalid, "the Extism manifest has %d modules, and exactly one is taken", len(entries)).
			WithHint("Modules are not linked with each other here: build one module of them, or upload each with a manifest of its own.")
	}
	var hash string
	var wasm []byte
	switch w := entries[0].(type) {
	case sdk.WasmData:
		wasm, hash = w.Data, w.Hash
	case sdk.WasmUrl:
		return nil, notInline("url", w.Url)
	case sdk.WasmFile:
		return nil, notInline("path", w.Path)
	default:
		return nil, fault.New(fault.ManifestInvalid, "the Extism manifest's module is of a kind that is not known")
	}
	sum := sha256.Sum256(wasm)
	if got := hex.EncodeToString(sum[:]); hash != "" && !strings.EqualFold(hash, got) {
		return nil, fault.New(fault.ManifestInvalid, "the module's sha256 is %s, and the Extism manifest says %.80q", got, hash).
			WithHint("The module was changed or damaged on its way: get it again, or correct the hash.")
	}
	return wasm, nil
}

func notInline(field, value string) error {
	return fault.New(fault.ManifestInvalid, "the Extism manifest names its module by %s (%s), and nothing is fetched here", field, fault.Clip(value, 200)).
		WithHint(`Get the module yourself and put its bytes into "data" as base64, with its sha256 in "hash".`)
}

// propose makes what a manifest asks for a proposal.
func propose(m *sdk.Manifest) (p spec.Proposal, err error) {
	if len(m.Config) > 0 {
		if p.Config, err = json.Marshal(m.Config); err != nil {
			return p, fault.Wrap(fault.BodyInvalid, err, "the Extism manifest's config")
		}
	}
	note := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if pages := uint64(m.Memory.MaxPages); pages > 0 {
		// Extism's bound is on the guest's memory and on the kernel's, each;
		// the limit here is on both together.
		p.Limits.MemoryBytes = max(2*pages*pageBytes, 1<<20)
	}
	if ms := m.Timeout; ms > 0 {
		p.Limits.CallTimeout = spec.Duration(time.Duration(min(ms, uint64(longestTimeout/time.Millisecond))) * time.Millisecond)
	}
	if bytes := m.Memory.MaxVarBytes; bytes >= 0 && bytes != DefaultMaxVars {
		note("max_var_bytes is %d: variables may take %d bytes here", bytes, DefaultMaxVars)
	}
	if len(m.AllowedHosts) > 0 {
		p.Grants = append(p.Grants, spec.Grant{
			Group: "http", Resources: overTLS(m.AllowedHosts), Rights: []spec.Right{spec.Read, spec.Write},
			Reason: "its Extism manifest allows these hosts",
		})
		note("allowed_hosts: Extism's own http_request is refused always, because it follows redirects to any host; the group http takes its place, over https")
	}
	for _, path := range slices.Sorted(maps.Keys(m.AllowedPaths)) {
		note("allowed_paths: %s is never opened to a module: there are no files", fault.Clip(path, 200))
	}
	return p, nil
}

// overTLS are the patterns of grants for hosts.
func overTLS(hosts []string) []string {
	patterns := make([]string, 0, len(hosts))
	for _, host := range hosts {
		patterns = append(patterns, "https://"+host+"/*")
	}
	return patterns
}
