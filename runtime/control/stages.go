package control

import (
	"context"
	"slices"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxStages bounds the converters behind the first one.
const maxStages = 3

// stageAt is where a converter behind the first one stands in a connector.
func stageAt(i int) string { return "/converter/then/" + strconv.Itoa(i) }

// checkStages checks the converters behind the first one, their configs apart.
func (t *Tenant) checkStages(ctx context.Context, c *spec.Converter, f *findings) error {
	if len(c.Then) > maxStages {
		f.wrong("/converter/then", "has at most %d converters", maxStages)
		return nil
	}
	c.Then = slices.Clone(c.Then)
	for i := range c.Then {
		stage := &c.Then[i]
		stage.Config = orNoConfig(stage.Config)
		if _, err := t.module(ctx, stageAt(i)+"/module", &stage.Module, abi.KindConverter, f); err != nil {
			return err
		}
		f.fits(stageAt(i)+"/config", stage.Config)
	}
	return nil
}

// unfitStages notes what the schemas do not allow of the configs behind the
// first one.
func (d *draft) unfitStages(r store.Reader) error {
	for i, stage := range d.is.Converter.Then {
		at := stageAt(i) + "/config"
		schema, err := d.pages.Schema(r, stage.Module)
		if err != nil {
			return err
		}
		config, err := d.pages.StageConfig(r, &d.is, i, true)
		if fault.Is(err, fault.ConfigInvalid) {
			d.found = d.found.with(faultsIn(err, at))
			continue
		}
		if err != nil {
			return err
		}
		bad, err := d.unfit(config, schema, at)
		if err != nil {
			return err
		}
		d.found = d.found.with(bad)
	}
	return nil
}

// names reports whether a converter is made of the module.
func names(c *spec.Converter, digest string) bool {
	return c != nil && (c.Module == digest || slices.ContainsFunc(c.Then, func(s spec.Stage) bool { return s.Module == digest }))
}
