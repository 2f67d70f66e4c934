// Package adapter holds the providers that are always there: a folder of files
// for storage, and the server's log for e-mail and messaging. They are no
// connectors: nobody configures them, and a call of a category goes to one only
// when the tenant has no connector of its own for it.
//
// Control calls them, and cmd says where the files are. An adapter reaches
// nothing beyond its tenant's folder and the log, whatever it is asked.
package adapter

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Config is what the adapters are made of.
type Config struct {
	Dir string // of the files, one folder each tenant; made when it is needed
	Log *slog.Logger
	// MaxBytes and MaxFiles bound what one tenant keeps; 0: 256 MiB, 10,000.
	MaxBytes int64
	MaxFiles int
}

const (
	defaultMaxBytes = 256 << 20
	defaultMaxFiles = 10_000
)

// Adapters are those of all tenants. It is safe for use by several goroutines.
type Adapters struct {
	cfg Config

	mu      sync.Mutex
	folders map[string]*folder
	purses  map[string]*purse
}

// New makes the adapters. Nothing is read or made on disk yet.
func New(cfg Config) *Adapters {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.MaxFiles <= 0 {
		cfg.MaxFiles = defaultMaxFiles
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Adapters{cfg: cfg, folders: map[string]*folder{}, purses: map[string]*purse{}}
}

// Info is what an adapter is called.
type Info struct {
	Category, ProviderType, DisplayName string
}

// Infos lists all adapters, by category.
func Infos() []Info {
	return []Info{
		{"email", "log", "The server's log"},
		{"messaging", "log", "The server's log"},
		{"storage", "local_files", "Local files"},
	}
}

// Of is the adapter of a category, if it has one.
func Of(category string) (Info, bool) {
	all := Infos()
	i := slices.IndexFunc(all, func(a Info) bool { return a.Category == category })
	if i < 0 {
		return Info{}, false
	}
	return all[i], true
}

// Tenant are the adapters of one tenant.
type Tenant struct {
	folder *folder
	purse  *purse
	log    *slog.Logger
}

// Tenant narrows the adapters to one tenant (I3). The id is one that the store
// takes, so it is a name of a folder too.
func (a *Adapters) Tenant(id string) *Tenant {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.folders[id]
	if !ok {
		f = &folder{dir: filepath.Join(a.cfg.Dir, id), maxBytes: a.cfg.MaxBytes, maxFiles: a.cfg.MaxFiles}
		a.folders[id] = f
	}
	p, ok := a.purses[id]
	if !ok {
		p = &purse{}
		a.purses[id] = p
	}
	return &Tenant{f, p, a.cfg.Log.With("tenant", id)}
}

// Remove forgets what a tenant keeps here, for good. Adapters that are nil keep
// nothing.
func (a *Adapters) Remove(id string) error {
	if a == nil {
		return nil
	}
	f := a.Tenant(id).folder
	a.mu.Lock()
	delete(a.purses, id)
	a.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counted = false
	if err := os.RemoveAll(f.dir); err != nil {
		return fault.Wrap(fault.Internal, err, "storage folder")
	}
	return nil
}

// Call runs an operation of a category: a JSON object in, JSON out.
// fault.Unsupported: there is no such adapter or operation.
func (t *Tenant) Call(ctx context.Context, category, operation string, args json.RawMessage) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Of(err)
	}
	var in arguments
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, fault.New(fault.Invalid, "the arguments of %s are not of the right types: %s", operation, wrongType(err))
	}
	answer, err := t.call(ctx, category, operation, &in)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "answer of %s", operation)
	}
	return raw, nil
}

// arguments are those of all operations.
type arguments struct {
	Path        string `json:"path"`
	Data        []byte `json:"data"`
	ContentType string `json:"content_type"`
	Prefix      string `json:"prefix"`
	Limit       int    `json:"limit"`

	To      string `json:"to"`
	From    string `json:"from"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
	Text    string `json:"text"`
	Title   string `json:"title"`
	Channel string `json:"channel"`
}

// wrongType says what is wrong without the value.
func wrongType(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // as encoding/json returns it
		return t.Field + " is a " + t.Value
	}
	return "data is base64"
}

func (t *Tenant) call(ctx context.Context, category, operation string, in *arguments) (any, error) {
	switch category + "." + operation {
	case "storage.put":
		return t.folder.put(in.Path, in.Data)
	case "storage.get":
		return t.folder.get(in.Path)
	case "storage.list":
		return t.folder.list(ctx, in.Prefix, in.Limit)
	case "storage.delete":
		return t.folder.remove(in.Path)
	case "storage.stat":
		return t.folder.stat(in.Path)
	case "email.send_message":
		return t.note(ctx, "message", slog.String("to", in.To), slog.String("subject", in.Subject), slog.Int("bytes", len(in.Body)))
	case "messaging.send":
		return t.note(ctx, "message", slog.String("channel", in.Channel), slog.String("text", in.Text))
	}
	return nil, fault.New(fault.Unsupported, "nothing that is built in offers %.64s of the category %.64s", operation, category)
}

// The bounds of what goes to the log: bytes of one text, and messages of one
// tenant within a minute. The log is the server's, and its disk's.
const (
	maxNote  = 256
	maxNotes = 600
)

// purse is how many messages a tenant has had logged in the minute that began
// then.
type purse struct {
	mu    sync.Mutex
	since time.Time
	spent int
}

// take is fault.RateLimited when the minute's messages are spent.
func (p *purse) take(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.since) >= time.Minute {
		p.since, p.spent = now, 0
	}
	if p.spent >= maxNotes {
		return fault.New(fault.RateLimited, "%d messages went to the server's log within a minute, and no more do", maxNotes).
			WithHint("Give the category a connector of your own, which sends them.").WithRetryAfter(time.Minute - now.Sub(p.since))
	}
	p.spent++
	return nil
}

// note writes a message to the log in place of sending it.
func (t *Tenant) note(ctx context.Context, text string, attrs ...slog.Attr) (any, error) {
	if err := t.purse.take(time.Now()); err != nil {
		return nil, err
	}
	for i := range attrs {
		if attrs[i].Value.Kind() == slog.KindString {
			attrs[i].Value = slog.StringValue(fault.Clip(attrs[i].Value.String(), maxNote))
		}
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, text, append(attrs, slog.String("provider", "log"))...)
	return map[string]bool{"logged": true}, nil
}
