package control

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// MaxFile is the most bytes that a file has.
const MaxFile = param.MaxFile

// AddFile keeps a file that rows of type file can refer to. name and mime are
// what it was called where it came from.
func (t *Tenant) AddFile(ctx context.Context, name, mime string, content []byte) (f spec.File, err error) {
	if err := t.may(ctx, identity.Files, identity.Write); err != nil {
		return f, err
	}
	id, err := newID("fil")
	if err != nil {
		return f, err
	}
	now := time.Now().UTC()
	err = t.space.Update(ctx, func(w store.Writer) error {
		f, err = param.PutFile(w, spec.File{ID: id, Name: name, MIME: mime, Created: now}, content)
		if err != nil {
			return err
		}
		return identity.Append(w, t.fileEvent(identity.FileCreate, f))
	})
	return f, err
}

// Files is a page of the tenant's files, by id, without their content.
func (t *Tenant) Files(ctx context.Context, p Page) (list []spec.File, next string, err error) {
	if err := t.may(ctx, identity.Files, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		list, err = param.ListFiles(r, p.After, limit)
		return err
	})
	if len(list) == limit {
		next = list[limit-1].ID
	}
	return list, next, err
}

// File is what is known of a file.
func (t *Tenant) File(ctx context.Context, id string) (f spec.File, err error) {
	if err := t.may(ctx, identity.Files, identity.Read); err != nil {
		return f, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		f, err = param.FileInfo(r, id)
		return err
	})
	return f, err
}

// FileContent is a file with its bytes. It may be a key, so that whoever may
// write files alone may read them.
func (t *Tenant) FileContent(ctx context.Context, id string) (f spec.File, content []byte, err error) {
	if err := t.may(ctx, identity.Files, identity.Write); err != nil {
		return f, nil, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		f, content, err = param.GetFile(r, id)
		return err
	})
	return f, content, err
}

// DeleteFile removes a file. Connectors whose rows refer to it are changed by
// that: they are left without it, and say so when they start the next time.
func (t *Tenant) DeleteFile(ctx context.Context, id string) error {
	if err := t.may(ctx, identity.Files, identity.Write); err != nil {
		return err
	}
	var changed []string
	err := t.space.Update(ctx, func(w store.Writer) error {
		changed = nil
		f, err := param.FileInfo(w, id)
		if err != nil {
			return err
		}
		events := []identity.Event{t.fileEvent(identity.FileDelete, f)}
		err = param.DeleteFile(w, id, func(c *spec.Connector) error {
			changed = append(changed, c.ID)
			retested(c, "")
			c.Revision++
			c.Updated = time.Now().UTC()
			e := t.event(identity.ConnectorUpdate, c)
			e.Detail = "its file " + f.Name + " was removed"
			events = append(events, e)
			return save(w, c)
		})
		if err != nil {
			return err
		}
		return identity.Append(w, events...)
	})
	if err != nil {
		return err
	}
	for _, id := range changed {
		t.runtime.Reconcile(id)
	}
	return nil
}

func (t *Tenant) fileEvent(action identity.Action, f spec.File) identity.Event {
	return identity.Event{Who: t.who, Action: action, On: f.ID, Detail: f.Name, Outcome: identity.Done}
}
