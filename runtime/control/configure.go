package control

import (
	"github.com/snaprail/snaprail/runtime/store"
)

// configure writes the configuration and checks it as the guest will get it.
func (d *draft) configure(w store.Writer) error {
	d.is.Config = d.in.Config
	bad, err := d.conforms(d.found.module, d.is.Config, "/config")
	d.found = d.found.with(bad)
	return err
}
