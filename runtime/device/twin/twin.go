// Package twin keeps what is known of each device now: its latest readings and
// attributes with their time, unit and quality, a short history, and what is
// wanted of it. A tenant has one Twins, which reads the tenant's outbox behind
// everybody else and holds nobody up. The rooms of the host from supervisor up
// may import it.
//
// What it holds is a view and never the truth: the log is that. What it has read
// becomes durable some seconds later, together with the place in the log, so
// that after a crash it reads the rest again and comes to the same. The history
// is kept in memory alone and read again from the log. All of it is bounded for
// each tenant; what does not fit is counted and left out.
package twin

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Config is what the twins of a tenant are made of.
type Config struct {
	Space  store.Space
	Outbox *outbox.Log
	Limits Limits
	// Every is how long what was read may wait until it is durable; 0: 5 s.
	Every time.Duration
	Log   *slog.Logger
}

// Limits bound the twins of one tenant. Zero fields mean the defaults. A
// connector has at most half of what the tenant has in devices and in bytes, so
// that one that makes up names leaves room for the others.
type Limits struct {
	Devices int           // default 10,000
	Tags    int           // of a device; default 256
	Value   int           // bytes of a text; default 2 KiB
	Bytes   int           // of all latest readings; default 16 MiB
	History int           // bytes of all histories; default 16 MiB
	Points  int           // of a tag's history, as far as there is room for all; default 256
	Age     time.Duration // of a tag's history; default 1 h
	Replay  uint64        // blocks that a start reads again for the histories; default 50,000
}

const (
	maxName   = 256       // bytes of a tag, a unit, a device
	maxDevice = 192 << 10 // bytes of one device's latest readings as they are stored: a value of the store
)

func (l Limits) withDefaults() Limits {
	set := func(v *int, otherwise int) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	set(&l.Devices, 10_000)
	set(&l.Tags, 256)
	set(&l.Value, 2<<10)
	set(&l.Bytes, 16<<20)
	set(&l.History, 16<<20)
	set(&l.Points, 256)
	if l.Age <= 0 {
		l.Age = time.Hour
	}
	if l.Replay == 0 {
		l.Replay = 50_000
	}
	return l
}

// Twins are the twins of a tenant's devices. It is safe for use by several
// goroutines; Run belongs to one.
type Twins struct {
	cfg    Config
	lim    Limits
	loaded chan struct{} // closed once what is stored is here
	head   uint64        // where the log ended at first

	mu      sync.Mutex
	all     map[key]*state
	counts  map[string]int // devices of a connector
	weights map[string]int // bytes of a connector
	tags    int
	bytes   int
	history int
	dirty   map[key]bool // to be written; what is not in all is to be deleted
	seq     uint64       // of the last block that was read
	durable uint64       // of the last one whose readings are in the store
	marks   []mark
	stats   Stats

	maps      map[key][]spec.Mapping // what was declared, as far as it was asked for
	forgetful uint64                 // counts Refresh
}

// key names a device.
type key struct{ connector, device string }

// mark is where the log was at a time.
type mark struct {
	At  int64  `json:"at"` // unix s
	Seq uint64 `json:"seq"`
}

// Stats are figures of a tenant's twins.
type Stats struct {
	Devices int    `json:"devices"`
	Bytes   int    `json:"bytes"`
	History int    `json:"history_bytes"`
	Block   uint64 `json:"block"` // the last one that was read
	Behind  uint64 `json:"behind"`

	Gaps    uint64            `json:"gaps"`           // of the log
	Missing uint64            `json:"missing_blocks"` // in those
	Dropped map[string]uint64 `json:"dropped,omitempty"`
}

// Why something was left out, as the names in Stats.Dropped.
const (
	DropDevices   = "devices"   // there are as many as there may be
	DropTags      = "tags"      // the device has as many as it may have
	DropValue     = "value"     // a name or a text is too long
	DropBytes     = "bytes"     // there is no room for more
	DropHistory   = "history"   // there is no room for more of it
	DropUnread    = "unread"    // a batch or a payload cannot be read
	DropUndurable = "undurable" // what is stored of a device is damaged
)

// New makes the twins of a tenant, which know nothing until Run. Nothing may have
// been written to the log since it was opened.
func New(cfg Config) *Twins {
	if cfg.Every <= 0 {
		cfg.Every = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Twins{
		cfg: cfg, lim: cfg.Limits.withDefaults(), loaded: make(chan struct{}), head: cfg.Outbox.Head(),
		all: map[key]*state{}, counts: map[string]int{}, weights: map[string]int{}, dirty: map[key]bool{}, maps: map[key][]spec.Mapping{},
		stats: Stats{Dropped: map[string]uint64{}},
	}
}

// Stats are the figures now.
func (t *Twins) Stats() Stats {
	head := t.cfg.Outbox.Head()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Dropped = maps.Clone(t.stats.Dropped)
	s.Devices, s.Bytes, s.History, s.Block = len(t.all), t.bytes, t.history, t.seq
	s.Behind = head - min(head, t.seq)
	return s
}

// Refresh forgets what is known of a connector's spec and of its devices',
// because one of them has changed; of the devices that are named alone, if any
// are.
func (t *Twins) Refresh(connector string, devices ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetful++
	for _, id := range devices {
		delete(t.maps, key{connector, id})
	}
	if len(devices) > 0 {
		return
	}
	for k := range t.maps {
		if k.connector == connector {
			delete(t.maps, k)
		}
	}
}

// Drop forgets a device, or all of a connector's with "": what is stored of it
// goes soon.
func (t *Twins) Drop(connector, device string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if device != "" {
		t.drop(key{connector, device})
		return
	}
	for k := range t.all {
		if k.connector == connector {
			t.drop(k)
		}
	}
}

// drop takes a device out, and what is wanted of it, whether it was ever heard of
// or not. The lock is held.
func (t *Twins) drop(k key) {
	s := t.all[k]
	if s == nil {
		if len(k.device) <= maxName && len(t.dirty) < 2*t.lim.Devices { // made-up names are not worth more
			t.dirty[key{strings.Clone(k.connector), strings.Clone(k.device)}] = true
		}
		return
	}
	t.dirty[k] = true
	for _, tag := range s.tags {
		t.history -= tag.past.bytes
	}
	t.tags -= len(s.tags)
	t.weigh(k, s, -s.bytes)
	delete(t.all, k)
	if t.counts[k.connector]--; t.counts[k.connector] <= 0 {
		delete(t.counts, k.connector)
		delete(t.weights, k.connector)
	}
}

// weigh changes what a device takes of the tenant's room. The lock is held.
func (t *Twins) weigh(k key, s *state, by int) {
	s.bytes += by
	t.bytes += by
	t.weights[k.connector] += by
}

// dropped counts what was left out. The lock is held.
func (t *Twins) dropped(why string) { t.stats.Dropped[why]++ }

// ready waits until what is stored was read.
func (t *Twins) ready(ctx context.Context) error {
	select {
	case <-t.loaded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Latest is the newest reading of a tag, whether it came as telemetry or as an
// attribute; false: there is none.
func (t *Twins) Latest(connector, device, tag string) (r Reading, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[key{connector, device}]
	if s == nil {
		return r, false
	}
	for _, kind := range []abi.Kind{abi.KindTelemetry, abi.KindAttributes} {
		if of := s.tags[name{kind, tag}]; of != nil && (!ok || of.when() > r.when()) {
			r, ok = of.Reading, true
		}
	}
	return r, ok
}
