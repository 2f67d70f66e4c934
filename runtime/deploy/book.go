package deploy

import (
	"encoding/json"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// The entries of the bucket: a deployment by its uuid, its uuid by the device's
// id, and nothing by the connector that deployed it.
const (
	prefixDeployment = "d/"
	prefixDevice     = "i/"
	prefixConnector  = "c/"
)

// MaxUUID bounds the uuid of a device in bytes.
const MaxUUID = 128

// Get is the deployment with this uuid, or fault.NotFound.
func Get(r store.Reader, uuid string) (d Deployment, err error) {
	if uuid == "" || len(uuid) > MaxUUID {
		return d, missing(uuid)
	}
	e, err := r.Get(store.Deployments, prefixDeployment+uuid)
	if fault.Is(err, fault.NotFound) {
		return d, missing(uuid)
	}
	if err != nil {
		return d, err
	}
	return d, decode(e, &d)
}

// Find is the deployment with this uuid, else the one of the device with this id.
func Find(r store.Reader, uuidOrDevice string) (Deployment, error) {
	d, err := Get(r, uuidOrDevice)
	if !fault.Is(err, fault.NotFound) || uuidOrDevice == "" || len(prefixDevice+uuidOrDevice) > store.MaxID {
		return d, err
	}
	e, byDevice := r.Get(store.Deployments, prefixDevice+uuidOrDevice)
	if fault.Is(byDevice, fault.NotFound) {
		return d, err
	}
	if byDevice != nil {
		return d, byDevice
	}
	return Get(r, string(e.Value))
}

// List is a page of the deployments behind a uuid, in the order of their uuids.
// next is "" when there are no more.
func List(r store.Reader, after string, limit int) (list []Deployment, next string, err error) {
	if after != "" {
		after = prefixDeployment + after
	}
	entries, err := r.List(store.Deployments, prefixDeployment, after, limit)
	if err != nil {
		return nil, "", err
	}
	list = make([]Deployment, len(entries))
	for i, e := range entries {
		if err := decode(e, &list[i]); err != nil {
			return nil, "", err
		}
	}
	if len(entries) == limit && limit > 0 {
		next = strings.TrimPrefix(entries[limit-1].ID, prefixDeployment)
	}
	return list, next, nil
}

// Of is the uuid of a deployment by a connector; "": there is none.
func Of(r store.Reader, connector string) (uuid string, err error) {
	prefix := prefixConnector + connector + "/"
	entries, err := r.List(store.Deployments, prefix, "", 1)
	if err != nil || len(entries) == 0 {
		return "", err
	}
	return strings.TrimPrefix(entries[0].ID, prefix), nil
}

// put writes a deployment with what it is found by. fault.Exists: the device has
// one of another uuid. fault.Exhausted: the tenant has its most.
func put(w store.Writer, d *Deployment) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "deployment")
	}
	if len(raw) > maxStored {
		return fault.New(fault.TooLarge, "the deployment of %.64q would have %d bytes, and %d are allowed", d.Device, len(raw), maxStored).
			WithHint("deploy fewer resources, or say less of each")
	}
	was, err := Get(w, d.UUID)
	switch {
	case fault.Is(err, fault.NotFound):
		if err := room(w); err != nil {
			return err
		}
	case err != nil:
		return err
	case was.Device != d.Device || was.Connector != d.Connector:
		if err := unindex(w, &was); err != nil {
			return err
		}
	}
	if err := index(w, d); err != nil {
		return err
	}
	_, err = w.Put(store.Deployments, prefixDeployment+d.UUID, raw)
	return err
}

func index(w store.Writer, d *Deployment) error {
	e, err := w.Get(store.Deployments, prefixDevice+d.Device)
	switch {
	case err == nil && string(e.Value) != d.UUID:
		return fault.New(fault.Exists, "the device %.64q is deployed already, as %s", d.Device, e.Value).
			WithHint("Use its uuid, or tear it down first.")
	case err == nil:
		return nil
	case !fault.Is(err, fault.NotFound):
		return err
	}
	if _, err := w.Put(store.Deployments, prefixDevice+d.Device, []byte(d.UUID)); err != nil {
		return err
	}
	_, err = w.Put(store.Deployments, prefixConnector+d.Connector+"/"+d.UUID, nil)
	return err
}

func unindex(w store.Writer, d *Deployment) error {
	for _, id := range []string{prefixDevice + d.Device, prefixConnector + d.Connector + "/" + d.UUID} {
		if err := w.Delete(store.Deployments, id); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// drop forgets a deployment.
func drop(w store.Writer, d *Deployment) error {
	if err := unindex(w, d); err != nil {
		return err
	}
	err := w.Delete(store.Deployments, prefixDeployment+d.UUID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// room refuses one more than a tenant may have.
func room(r store.Reader) error {
	entries, err := r.List(store.Deployments, prefixDevice, "", MaxDeployments)
	if err == nil && len(entries) >= MaxDeployments {
		err = fault.New(fault.Exhausted, "a tenant has at most %d deployments", MaxDeployments).
			WithHint("tear devices down that are not needed any more")
	}
	return err
}

func decode(e store.Entry, d *Deployment) error {
	if err := json.Unmarshal(e.Value, d); err != nil {
		return fault.Wrap(fault.Integrity, err, "deployment")
	}
	return nil
}

func missing(uuid string) error {
	return fault.New(fault.NotFound, "no deployment %.128q", uuid).WithHint("`snaprail deployments list` shows what there is")
}
