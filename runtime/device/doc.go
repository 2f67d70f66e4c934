// Package device is the devices of a tenant: the book that they are kept in, and
// how it is kept in step with the platform upstream and with a manager of the
// user's own. The supervisor, control and what is beside them import it.
//
// Its invariants: what is asked of a device happens here first and upstream
// afterwards, whether upstream can be reached or not; and a device that upstream
// knows leaves an entry until upstream has let go of it, so that nothing that was
// deleted comes back.
//
//	err := space.Update(ctx, func(w store.Writer) error {
//		d, err := book.Put(w, spec.Device{Connector: c.ID, ID: "weather-1", Type: "weather", Name: "Roof"}, now)
//		return err
//	})
package device
