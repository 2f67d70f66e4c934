package control

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// applyDevices deploys the devices of documents, one after the other.
func (t *Tenant) applyDevices(ctx context.Context, docs []document, o ApplyOptions, p *Plan) error {
	for _, d := range docs {
		if d.kind != kindDevice {
			continue
		}
		change := Change{Kind: kindDevice, Name: d.device.ID, Document: d.index, Action: ActionCreate}
		err := t.planDevice(ctx, d.device, &change)
		if planned := fault.Of(err); o.DryRun && planned != nil && t.promised(docs, d.device, planned) {
			err = nil
			change.Warnings = append(change.Warnings, "whether it fits is known when its connector is there")
		}
		if err == nil && !o.DryRun {
			var v DeploymentView
			if v, err = t.Deploy(ctx, d.device); err == nil {
				if change.ID = v.UUID; !v.Changed && change.Action == ActionUpdate {
					change.Action = ActionUnchanged
				}
			}
		}
		if err := change.failed(err); err != nil {
			return err
		}
		p.Changes = append(p.Changes, change)
	}
	return nil
}

// promised reports whether a device cannot be planned for want of a connector
// that another document makes.
func (t *Tenant) promised(docs []document, device DeviceDocument, planned *fault.Fault) bool {
	missing := slices.ContainsFunc(planned.Fields, func(f fault.Field) bool { return f.Pointer == "/type" || f.Pointer == "/connector" })
	return missing && slices.ContainsFunc(docs, func(d document) bool {
		c := d.connector
		return d.kind == kindConnector && (c.ProviderType == "" || device.Type == c.ProviderType || device.Type == c.Category+"/"+c.ProviderType)
	})
}

// planDevice says what a device's document would change: of the document, not of
// what its module makes of it.
func (t *Tenant) planDevice(ctx context.Context, doc DeviceDocument, change *Change) error {
	o, err := t.order(ctx, doc)
	if err != nil || o.want.UUID == "" {
		return err
	}
	var was deploy.Deployment
	err = t.space.View(ctx, func(r store.Reader) error {
		was, err = deploy.Get(r, o.want.UUID)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	change.ID, change.Action, change.Fields = was.UUID, ActionUpdate, documentFields(was.Document, o.want.Document)
	if len(change.Fields) == 0 && was.Connector == o.want.Connector && was.State == deploy.Deployed {
		change.Action = ActionUnchanged
	}
	return nil
}

// documentFields are the pointers of what two documents differ in.
func documentFields(was, is json.RawMessage) (fields []string) {
	var old, now map[string]json.RawMessage
	if json.Unmarshal(was, &old) != nil || json.Unmarshal(is, &now) != nil {
		return []string{""}
	}
	all := maps.Clone(old)
	maps.Copy(all, now)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var x, y bytes.Buffer
		a, b := old[name], now[name]
		if len(a) > 0 && len(b) > 0 && json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes()) {
			continue
		}
		fields = append(fields, "/"+name)
	}
	return fields
}

// pruneDevices tears down what no document is of.
func (t *Tenant) pruneDevices(ctx context.Context, docs []document, o ApplyOptions, p *Plan) error {
	if !o.Prune {
		return nil
	}
	for after := ""; ; {
		page, next, err := t.Deployments(ctx, Page{After: after, Limit: pageOfDeployments})
		if err != nil {
			return err
		}
		for _, v := range page {
			if v.State == deploy.TornDown || slices.ContainsFunc(docs, func(d document) bool {
				return d.kind == kindDevice && (d.device.ID == v.Device || d.device.UUID == v.UUID)
			}) {
				continue
			}
			change := Change{Kind: kindDevice, Name: v.Device, ID: v.UUID, Document: -1, Action: ActionDelete}
			if !o.DryRun {
				torn, err := t.TearDown(ctx, v.UUID, v.Revision)
				if err := change.failed(err); err != nil {
					return err
				}
				if len(torn.Orphans()) > 0 {
					change.Warnings = append(change.Warnings, "some of it could not be taken down: see the deployment's orphans")
				}
			}
			p.Changes = append(p.Changes, change)
		}
		if after = next; after == "" {
			return nil
		}
	}
}
