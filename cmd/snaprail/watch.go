package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The times of a watched directory.
const (
	watchEvery = 2 * time.Second  // it is looked at for changes
	driftEvery = 30 * time.Second // what is applied is compared with what is there
)

// watcher keeps a tenant as the documents of a directory say. A change of the
// directory is applied at once; what somebody changes past it is drift, which
// is logged and left to them until the directory changes again.
type watcher struct {
	dir    string
	prune  bool
	tenant *control.Tenant
	log    *slog.Logger
	every  time.Duration
	drift  time.Duration

	applied string    // the directory as it was applied last
	failed  bool      // not all of that could be
	next    time.Time // when drift is looked for
	told    string    // the trouble, or the drift, that the log has already
}

// start watches until the function that it answers is called, which waits for
// what is being applied.
func (w *watcher) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(w.every)
		defer tick.Stop()
		for {
			w.pass(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// pass looks at the directory once.
func (w *watcher) pass(ctx context.Context) {
	docs, state, err := w.read()
	if err != nil {
		w.tell("documents cannot be read", "error", err)
		return
	}
	due := !time.Now().Before(w.next)
	switch {
	case state != w.applied, w.failed && due:
		err = w.apply(ctx, docs, state)
	case due:
		err = w.compare(ctx, docs)
	}
	if err != nil && ctx.Err() == nil {
		w.tell("documents not applied", "error", docs.located(err), "fields", fault.Of(docs.located(err)).Fields)
	}
}

// read reads the directory. state is another one whenever a document, or the
// file of a module, is.
func (w *watcher) read() (docs *documentSet, state string, err error) {
	if docs, err = readDocuments([]string{w.dir}, nil); err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	for _, d := range docs.all {
		fmt.Fprintf(sum, "%q %s\n", d.file, d.json)
	}
	for _, file := range docs.moduleFiles() {
		info, err := os.Stat(file)
		if err != nil {
			return nil, "", fault.Wrap(fault.Usage, err, "module")
		}
		fmt.Fprintf(sum, "%q %d %d\n", file, info.Size(), info.ModTime().UnixNano())
	}
	return docs, string(sum.Sum(nil)), nil
}

func (w *watcher) apply(ctx context.Context, docs *documentSet, state string) error {
	w.next = time.Now().Add(w.drift)
	w.applied, w.failed = state, true // whatever comes of it, it is not tried again at once
	if _, err := docs.settle(own{ctx, w.tenant}, true); err != nil {
		return err
	}
	p, err := w.tenant.Apply(ctx, docs.raw(), control.ApplyOptions{Prune: w.prune})
	if err != nil {
		return err
	}
	w.failed = false
	for _, note := range docs.notes {
		w.log.Warn("documents read in part", "what", note)
	}
	for _, c := range p.Changes {
		attrs := []any{"kind", c.Kind, "name", c.Name, "action", c.Action, "fields", c.Fields}
		switch {
		case c.Err != nil:
			w.failed = true
			w.tell("document not applied", append(attrs, "where", strings.TrimSpace(docs.where(c.Document)), "error", c.Err.Text)...)
		case c.Action != control.ActionUnchanged:
			w.log.Info("document applied", attrs...)
		}
	}
	if !w.failed {
		w.told = ""
	}
	return nil
}

// compare says what is not as the documents say.
func (w *watcher) compare(ctx context.Context, docs *documentSet) error {
	w.next = time.Now().Add(w.drift)
	if _, err := docs.settle(own{ctx, w.tenant}, false); err != nil {
		return err
	}
	p, err := w.tenant.Apply(ctx, docs.raw(), control.ApplyOptions{DryRun: true, Prune: w.prune})
	if err != nil {
		return err
	}
	var drifted []string
	for _, c := range p.Changes {
		if c.Action != control.ActionUnchanged {
			drifted = append(drifted, strings.Join(append([]string{string(c.Action), c.Kind, c.Name}, c.Fields...), " "))
		}
	}
	if len(drifted) == 0 {
		w.told = ""
		return nil
	}
	w.tell("drift: what is there is not what the documents say", "changes", drifted)
	return nil
}

// tell logs a trouble, unless the log has it last.
func (w *watcher) tell(text string, attrs ...any) {
	if told := fmt.Sprint(text, attrs); told != w.told {
		w.told = told
		w.log.Warn(text, append(attrs, "dir", w.dir)...)
	}
}

// own is the modules of the process itself.
type own struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one pass
	tenant *control.Tenant
}

func (o own) has(digest string) (bool, error) {
	_, err := o.tenant.Module(o.ctx, digest)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func (o own) push(file string) (digest string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "module")
	}
	defer f.Close()
	m, _, err := o.tenant.AddModule(o.ctx, f, nil, "")
	return m.Digest, err
}
