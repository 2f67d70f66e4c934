package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// MaxDocuments is how many documents are applied at once.
const MaxDocuments = 1000

// ApplyOptions says what is to become of documents.
type ApplyOptions struct {
	// DryRun only says what would change.
	DryRun bool
	// Prune deletes the connectors and the categories of the tenant's own that
	// no document is of.
	Prune bool
}

// Plan is what documents change, or would change.
type Plan struct {
	Changes []Change
	DryRun  bool
}

// Change is one line of a plan.
type Change struct {
	Kind     string // connector, category, secret, device
	Name     string
	ID       string // of a connector that is there
	Document int    // the index of its document; -1: it has none
	Action   Action
	// Fields are the JSON Pointers of what is changed; those of configurations
	// name keys and never show values.
	Fields   []string
	Cost     Cost
	Warnings []string
	Err      *fault.Fault // why it was not, or would not be, done

	was uint64 // the revision that the document was compared with
}

// Action is what is done to a thing.
type Action string

// The actions of a plan.
const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionDelete    Action = "delete"
	ActionUnchanged Action = "unchanged"
)

// Cost is what a change does to a connector that runs.
type Cost string

// The costs, the least first. None: it does not run.
const (
	CostNone      Cost = ""
	CostInPlace   Cost = "in_place"  // the guest goes on, or is swapped and its sessions stay open
	CostReconnect Cost = "reconnect" // some of its sessions may be closed and opened again
	CostRestart   Cost = "restart"   // it stops, or starts
)

// The kinds of documents.
const (
	kindConnector = "connector"
	kindCategory  = "category"
	kindSecret    = "secret"
	kindDevice    = "device"
)

// document is one that has been read.
type document struct {
	index     int
	kind      string
	name      string
	connector ConnectorInput
	category  spec.Category
	device    DeviceDocument
}

// Apply makes documents true, one after the other: {"kind": "connector",
// "category" or "secret", ...} with the fields that the API gives such a thing.
// A connector's document is all that is set of it: what it leaves out is not
// set, but that a secret that is set stays so when the document has its row, or
// {"set": true} in its place, without a value, and that is_enabled and
// is_default stay as they are. A document of a secret is its name alone, and
// says that it has to be there. A document of a device is a DeviceDocument, which
// is deployed after the connectors.
//
// Documents that cannot be read are an error, and nothing is changed then.
// What fails afterwards is told in the plan, and the rest goes on.
func (t *Tenant) Apply(ctx context.Context, documents []json.RawMessage, o ApplyOptions) (p Plan, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return p, err
	}
	docs, err := readDocuments(documents)
	if err != nil {
		return p, err
	}
	if o.Prune && len(docs) == 0 {
		return p, fault.New(fault.Invalid, "there are no documents, so pruning would delete everything").
			WithHint("Name a folder that has some.")
	}
	p.DryRun = o.DryRun
	for _, apply := range []func(context.Context, []document, ApplyOptions, *Plan) error{
		t.applyCategories, t.applySecrets, t.applyConnectors, t.applyDevices, t.pruneDevices, t.prune,
	} {
		if err := apply(ctx, docs, o, &p); err != nil {
			return p, err
		}
	}
	return p, nil
}

// readDocuments reads all documents, and says of all what is wrong with them.
func readDocuments(raw []json.RawMessage) (docs []document, err error) {
	if len(raw) > MaxDocuments {
		return nil, fault.New(fault.TooLarge, "there are %d documents, and at most %d are applied at once", len(raw), MaxDocuments)
	}
	f := findings{}
	seen := map[string]int{}
	for i, r := range raw {
		d, field, detail := readDocument(r)
		d.index = i
		if detail != "" {
			f.wrong(fmt.Sprintf("/documents/%d%s", i, field), "%s", detail)
			continue
		}
		key := d.kind + " " + d.name
		if first, twice := seen[key]; twice {
			f.wrong(fmt.Sprintf("/documents/%d/name", i), "is that of document %d too", first)
		}
		seen[key] = i
		docs = append(docs, d)
	}
	return docs, f.of("list of documents")
}

func readDocument(raw json.RawMessage) (d document, field, detail string) {
	var head struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
		ID   string `json:"id"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return d, "", "is no document: " + err.Error()
	}
	d.kind, d.name = head.Kind, head.Name
	var into any
	switch head.Kind {
	case kindConnector:
		into = &struct {
			Kind string `json:"kind"`
			*ConnectorInput
		}{ConnectorInput: &d.connector}
	case kindCategory:
		into = &struct {
			Kind string `json:"kind"`
			*spec.Category
		}{Category: &d.category}
	case kindSecret:
		into = &struct{ Kind, Name string }{}
	case kindDevice:
		into = &struct {
			Kind string `json:"kind"`
			*DeviceDocument
		}{DeviceDocument: &d.device}
	default:
		return d, "/kind", "is connector, category, secret or device"
	}
	if head.Kind == kindDevice {
		if d.name = head.ID; d.name == "" { // its name is for people
			return d, "/id", "is required"
		}
	}
	if d.name == "" {
		return d, "/name", "is required"
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		err = knownInGrants(raw)
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "json: ")
		if head.Kind == kindSecret {
			text = "holds more than kind and name: a secret's value is set with `snaprail secret set`"
		}
		return d, "", "cannot be read: " + text
	}
	return d, "", ""
}

// knownInGrants refuses what no grant has: a Grant reads itself, and does not
// hear that its reader is to be strict.
func knownInGrants(raw json.RawMessage) error {
	var said struct {
		Grants json.RawMessage `json:"grants"`
	}
	if err := json.Unmarshal(raw, &said); err != nil || len(said.Grants) == 0 {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(said.Grants))
	dec.DisallowUnknownFields()
	return dec.Decode(&[]spec.BareGrant{})
}

// failed notes why a change is not made. What is not about the change ends the
// whole.
func (c *Change) failed(err error) error {
	f := fault.Of(err)
	if f == nil {
		return nil
	}
	if slices.Contains([]fault.Kind{fault.Canceled, fault.ShuttingDown, fault.Integrity, fault.DiskFull, fault.RoleRequired}, f.Kind) {
		return err
	}
	c.Err = f
	return nil
}

func (t *Tenant) applyCategories(ctx context.Context, docs []document, o ApplyOptions, p *Plan) error {
	have, err := t.everyCategory(ctx)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if d.kind != kindCategory {
			continue
		}
		change := Change{Kind: kindCategory, Name: d.name, Document: d.index, Action: ActionCreate}
		want := d.category
		err := checkCategory(&want)
		if i := slices.IndexFunc(have, func(c spec.Category) bool { return c.Name == d.name }); i >= 0 && err == nil {
			was := have[i]
			change.Action, change.was = ActionUpdate, was.Revision
			want.Revision, want.BuiltIn = was.Revision, was.BuiltIn
			if change.Fields = differing(was, want); len(change.Fields) == 0 {
				change.Action = ActionUnchanged
			}
		}
		if err == nil && !o.DryRun {
			switch change.Action {
			case ActionCreate:
				_, err = t.AddCategory(ctx, d.category)
			case ActionUpdate:
				_, err = t.UpdateCategory(ctx, d.name, d.category, change.was)
			case ActionDelete, ActionUnchanged:
			}
		}
		if err := change.failed(err); err != nil {
			return err
		}
		p.Changes = append(p.Changes, change)
	}
	return nil
}

// applySecrets sees that the secrets that documents name are there.
func (t *Tenant) applySecrets(ctx context.Context, docs []document, _ ApplyOptions, p *Plan) error {
	for _, d := range docs {
		if d.kind != kindSecret {
			continue
		}
		change := Change{Kind: kindSecret, Name: d.name, Document: d.index, Action: ActionUnchanged}
		_, err := t.Secret(ctx, d.name)
		if err := change.failed(err); err != nil {
			return err
		}
		p.Changes = append(p.Changes, change)
	}
	return nil
}

func (t *Tenant) applyConnectors(ctx context.Context, docs []document, o ApplyOptions, p *Plan) error {
	for _, d := range docs {
		if d.kind != kindConnector {
			continue
		}
		change := Change{Kind: kindConnector, Name: d.name, Document: d.index}
		in, err := t.plan(ctx, d.connector, &change)
		if err == nil && !o.DryRun && change.Action != ActionUnchanged {
			err = t.perform(ctx, d.connector, in, &change)
		}
		if err := change.failed(err); err != nil {
			return err
		}
		p.Changes = append(p.Changes, change)
	}
	return nil
}

// perform makes one connector what its document says.
func (t *Tenant) perform(ctx context.Context, wanted, in ConnectorInput, change *Change) error {
	var v ConnectorView
	var err error
	switch {
	case change.Action == ActionCreate:
		v, err = t.CreateConnector(ctx, in)
	case len(change.Fields) == 1 && change.Fields[0] == "/is_enabled":
		v, err = t.Connector(ctx, change.ID)
	default:
		v, err = t.UpdateConnector(ctx, change.ID, in, change.was) // what was compared, and nothing newer
	}
	if err != nil {
		return err
	}
	change.ID = v.ID
	for _, w := range v.Warnings {
		if !slices.Contains(change.Warnings, w) {
			change.Warnings = append(change.Warnings, w)
		}
	}
	switch want := wanted.Enabled; {
	case want == nil || *want == v.Enabled:
	case *want:
		_, err = t.Activate(ctx, v.ID)
	default:
		_, err = t.Deactivate(ctx, v.ID)
	}
	return err
}

// prune deletes what no document is of.
func (t *Tenant) prune(ctx context.Context, docs []document, o ApplyOptions, p *Plan) error {
	if !o.Prune {
		return nil
	}
	documented := func(kind, name string) bool {
		return slices.ContainsFunc(docs, func(d document) bool { return d.kind == kind && d.name == name })
	}
	all, err := t.everyConnector(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Owner != "" || documented(kindConnector, c.Name) { // what a deployment made goes with it
			continue
		}
		change := Change{Kind: kindConnector, Name: c.Name, ID: c.ID, Document: -1, Action: ActionDelete}
		if c.Enabled {
			change.Cost = CostRestart
		}
		if !o.DryRun {
			if err := change.failed(t.DeleteConnector(ctx, c.ID, c.Revision)); err != nil {
				return err
			}
		}
		p.Changes = append(p.Changes, change)
	}
	categories, err := t.everyCategory(ctx)
	if err != nil {
		return err
	}
	for _, c := range categories {
		if c.BuiltIn || documented(kindCategory, c.Name) {
			continue
		}
		change := Change{Kind: kindCategory, Name: c.Name, Document: -1, Action: ActionDelete}
		if !o.DryRun {
			if err := change.failed(t.RemoveCategory(ctx, c.Name, c.Revision)); err != nil {
				return err
			}
		}
		p.Changes = append(p.Changes, change)
	}
	return nil
}
