package device

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Book is one tenant's devices, read and changed inside the transactions of the
// tenant's space. It holds nothing itself, and is safe for concurrent use.
//
// A device that is gone here, and of which upstream has still to be told, stays
// in the book with its state: see spec.Device.Gone.
type Book struct {
	most, bytes int
}

// MaxDevices is how many devices a connector has at most, those that are gone
// here and not upstream among them.
const MaxDevices = 10_000

// MaxBytes is how many bytes the devices of a connector have together, as the
// book writes them: whoever runs the connector holds them all.
const MaxBytes = 32 << 20

// NewBook is a book in which a connector has at most so many devices of so many
// bytes together; 0: MaxDevices, MaxBytes.
func NewBook(most, bytes int) *Book {
	if most <= 0 {
		most = MaxDevices
	}
	if bytes <= 0 {
		bytes = MaxBytes
	}
	return &Book{most: most, bytes: bytes}
}

// key is the id of a device's entry.
func key(connector, id string) string { return connector + "\x00" + id }

// Get is a device that is here. fault.DeviceUnknown: there is none, or it is
// gone.
func (b *Book) Get(r store.Reader, connector, id string) (spec.Device, error) {
	d, found, err := b.Lookup(r, connector, id)
	if err == nil && (!found || d.Gone()) {
		err = unknown(connector, id)
	}
	return d, err
}

// Lookup is a device whether it is here or gone.
func (b *Book) Lookup(r store.Reader, connector, id string) (d spec.Device, found bool, err error) {
	d, size, err := b.sized(r, connector, id)
	return d, size > 0, err
}

// sized is a device with the bytes that it has in the book; 0: it is not there.
func (b *Book) sized(r store.Reader, connector, id string) (d spec.Device, size int, err error) {
	if id == "" || len(id) > spec.MaxDeviceID || connector == "" || len(key(connector, id)) > store.MaxID {
		return d, 0, nil
	}
	e, err := r.Get(store.Devices, key(connector, id))
	if fault.Is(err, fault.NotFound) {
		return d, 0, nil
	}
	if err == nil {
		d, err = read(e)
	}
	if err != nil {
		return d, 0, err
	}
	return d, len(e.Value), nil
}

// List is a page of the devices of a connector, or of all when it is "": those
// behind after, which is the id of an entry as next was. Those that are gone are
// among them.
func (b *Book) List(r store.Reader, connector, after string, limit int) (list []spec.Device, next string, err error) {
	prefix := ""
	if connector != "" {
		prefix = connector + "\x00"
	}
	entries, err := r.List(store.Devices, prefix, strings.Replace(after, "/", "\x00", 1), limit)
	if err != nil {
		return nil, "", err
	}
	list = make([]spec.Device, len(entries))
	for i, e := range entries {
		if list[i], err = read(e); err != nil {
			return nil, "", err
		}
	}
	if len(entries) == limit {
		next = strings.Replace(entries[limit-1].ID, "\x00", "/", 1)
	}
	return list, next, nil
}

// All yields the devices of a connector in the order of their ids, those that
// are gone among them. It ends after the first error.
func (b *Book) All(r store.Reader, connector string) iter.Seq2[spec.Device, error] {
	return all(r, connector, "")
}

// pageDevices is how many devices are read at once: their values fit the page of
// any store.
const pageDevices = store.MaxPage / store.MaxValue

func all(r store.Reader, connector, after string) iter.Seq2[spec.Device, error] {
	return func(yield func(spec.Device, error) bool) {
		for at := key(connector, after); ; {
			entries, err := r.List(store.Devices, connector+"\x00", at, pageDevices)
			if err != nil {
				yield(spec.Device{}, err)
				return
			}
			for _, e := range entries {
				d, err := read(e)
				if !yield(d, err) || err != nil {
					return
				}
			}
			if len(entries) < pageDevices {
				return
			}
			at = entries[len(entries)-1].ID
		}
	}
}

// Here yields those of All that are not gone.
func (b *Book) Here(r store.Reader, connector string) iter.Seq2[spec.Device, error] {
	return b.Behind(r, connector, "")
}

// Behind yields those of Here whose id is greater than after.
func (b *Book) Behind(r store.Reader, connector, after string) iter.Seq2[spec.Device, error] {
	return func(yield func(spec.Device, error) bool) {
		for d, err := range all(r, connector, after) {
			if (err != nil || !d.Gone()) && !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Put adds a device, or puts it in the place of the one that is there, whose
// UUID, revision and standing it takes over. What changes nothing writes nothing. fault.Invalid and
// fault.TooLarge as Validate, fault.Exhausted: the connector has its most
// of devices, or of bytes.
func (b *Book) Put(w store.Writer, d spec.Device, at time.Time) (spec.Device, error) {
	return b.PutAs(w, d, "", at)
}

// PutAs is Put of a device that gets this UUID if it is new; "": one of its own.
func (b *Book) PutAs(w store.Writer, d spec.Device, uuid string, at time.Time) (spec.Device, error) {
	if err := d.Validate(); err != nil {
		return d, err
	}
	was, size, err := b.sized(w, d.Connector, d.ID)
	if err != nil {
		return d, err
	}
	found := size > 0
	if !found {
		if was.UUID = uuid; uuid == "" {
			if was.UUID, err = NewUUID(); err != nil {
				return d, err
			}
		}
		was.Added = at.UTC()
	}
	d.UUID, d.Added, d.Updated, d.Revision = was.UUID, was.Added, was.Updated, was.Revision
	d.Registered, d.Known, d.Held = was.Registered, was.Known, was.Held
	d.State = spec.DeviceConnected
	d.Attributes, d.Config = object(d.Attributes), object(d.Config)
	d.Hash = Hash(&d)
	if found && same(&d, &was) {
		return was, nil
	}
	if d.Hash != was.Hash || was.Gone() {
		d.Registered = false
	}
	d.Revision, d.Updated = was.Revision+1, at.UTC()
	raw, err := encode(&d)
	if err == nil {
		err = b.count(w, d.Connector, change{one: !found, before: size, after: len(raw), bounded: true})
	}
	if err != nil {
		return d, err
	}
	_, err = w.Put(store.Devices, key(d.Connector, d.ID), raw)
	return d, err
}

// same reports whether two devices are one, whatever form their objects have.
func same(a, b *spec.Device) bool {
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	if err != nil {
		return false
	}
	var v, u any
	return json.Unmarshal(x, &v) == nil && json.Unmarshal(y, &u) == nil && reflect.DeepEqual(v, u)
}

// Leave takes a device away from here: it becomes disconnected or deleted, and
// stays in the book for as long as upstream, or the manager, has to be told.
// fault.DeviceUnknown: it is not here. One that is disconnected already can still
// be deleted.
func (b *Book) Leave(w store.Writer, connector, id string, state spec.DeviceState, at time.Time) (spec.Device, error) {
	d, found, err := b.Lookup(w, connector, id)
	if err != nil {
		return d, err
	}
	if !found || d.State == spec.DeviceDeleted || d.Gone() && state != spec.DeviceDeleted {
		return d, unknown(connector, id)
	}
	d.State, d.Registered, d.Updated = state, false, at.UTC()
	d.Revision++
	if !d.Known && !d.Held {
		return d, b.Forget(w, connector, id)
	}
	return d, b.write(w, &d)
}

// Forget takes the entry of a device out of the book, if it is there.
func (b *Book) Forget(w store.Writer, connector, id string) error {
	e, err := w.Get(store.Devices, key(connector, id))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		err = b.count(w, connector, change{one: true, before: len(e.Value)})
	}
	if err != nil {
		return err
	}
	return w.Delete(store.Devices, e.ID)
}

// Change changes a device that is here by a function. revision is the one that
// the caller read; 0: whatever is there (fault.StaleRevision).
func (b *Book) Change(w store.Writer, connector, id string, revision uint64, at time.Time, do func(*spec.Device) error) (spec.Device, error) {
	d, err := b.Get(w, connector, id)
	if err != nil {
		return d, err
	}
	if revision != 0 && revision != d.Revision {
		return d, fault.New(fault.StaleRevision, "device %.64q is at revision %d, not %d", id, d.Revision, revision)
	}
	if err := do(&d); err != nil {
		return d, err
	}
	d.Connector, d.ID = connector, id
	return b.Put(w, d, at)
}

// write writes how a device stands, which no bound refuses.
func (b *Book) write(w store.Writer, d *spec.Device) error {
	raw, err := encode(d)
	if err != nil {
		return err
	}
	_, size, err := b.sized(w, d.Connector, d.ID)
	if err == nil {
		err = b.count(w, d.Connector, change{one: size == 0, before: size, after: len(raw)})
	}
	if err != nil {
		return err
	}
	_, err = w.Put(store.Devices, key(d.Connector, d.ID), raw)
	return err
}

func encode(d *spec.Device) ([]byte, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "device")
	}
	if len(raw) > spec.MaxDevice {
		return nil, fault.New(fault.TooLarge, "device %.64q would have %d bytes, and %d are allowed", d.ID, len(raw), spec.MaxDevice).
			WithHint("shorten its attributes, its config or its tags")
	}
	return raw, nil
}

// change is what becomes of a connector's entries.
type change struct {
	one           bool // it is one more, or with no bytes after, one less
	before, after int  // bytes of the entry
	bounded       bool // it is refused when it would be too much
}

// count keeps the number of a connector's entries and of their bytes, so that
// whoever changes one need not read the others. It is called before the change
// is written.
func (b *Book) count(w store.Writer, connector string, c change) error {
	id := connector + "\x00count"
	n, bytes := 0, 0
	e, err := w.Get(store.DeviceSyncs, id)
	switch {
	case err == nil && len(e.Value) == 16:
		n, bytes = int(binary.BigEndian.Uint64(e.Value)), int(binary.BigEndian.Uint64(e.Value[8:])) //nolint:gosec // written below
	case err == nil || fault.Is(err, fault.NotFound): // devices of a time before they were counted
		for e, err := range store.All(w, store.Devices, connector+"\x00") {
			if err != nil {
				return err
			}
			n, bytes = n+1, bytes+len(e.Value)
		}
	default:
		return err
	}
	switch {
	case c.one && c.after == 0:
		n--
	case c.one:
		n++
	}
	bytes += c.after - c.before
	switch {
	case c.bounded && c.one && n > b.most:
		return fault.New(fault.Exhausted, "a connector has at most %d devices, and this one has as many", b.most).
			WithHint("delete devices that are gone for good, or spread them over several connectors")
	case c.bounded && c.after > c.before && bytes > b.bytes:
		return fault.New(fault.Exhausted, "the devices of a connector have at most %d bytes together, and these would have %d", b.bytes, bytes).
			WithHint("shorten their attributes and configs, or spread them over several connectors")
	}
	counted := binary.BigEndian.AppendUint64(nil, uint64(max(n, 0)))
	_, err = w.Put(store.DeviceSyncs, id, binary.BigEndian.AppendUint64(counted, uint64(max(bytes, 0))))
	return err
}

func read(e store.Entry) (d spec.Device, err error) {
	if err := json.Unmarshal(e.Value, &d); err != nil {
		return d, fault.Wrap(fault.Integrity, err, "device")
	}
	if d.State == "" {
		d.State = spec.DeviceConnected
	}
	if d.Connector == "" {
		d.Connector, _, _ = strings.Cut(e.ID, "\x00")
	}
	return d, nil
}

func unknown(connector, id string) error {
	return fault.New(fault.DeviceUnknown, "the connector %.64s has no device %.64q", connector, id)
}

// NewUUID is a random one, of version 4 (RFC 9562).
func NewUUID() (string, error) {
	var u [16]byte
	if _, err := rand.Read(u[:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "new UUID")
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil
}

// sorted are the names of tags, in order.
func sorted(tags map[string]string) []string {
	names := make([]string, 0, len(tags))
	for name := range tags {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
