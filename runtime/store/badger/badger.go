package badger

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	bdg "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// Config says where and how a store is kept. Dir and Key are needed.
type Config struct {
	// Dir is the store's own directory, made when it does not exist.
	Dir string
	// Key seals the values.
	Key Key
	// Logger gets what Badger has to say; nil: nobody.
	Logger *slog.Logger
	// Reserve is how many bytes must stay free on the disk: with less, every
	// write is fault.DiskFull and reads go on. 0: 5 % of the disk, at least
	// 256 MiB and at most 2 GiB.
	Reserve uint64
	// Disk tells the free and total bytes of the disk that holds a directory;
	// nil: the system does.
	Disk func(dir string) (free, total uint64, err error)
	// Collect is how often the value log is collected; 0: every 10 minutes.
	Collect time.Duration
}

// Open opens the store in a directory, or makes it. It fails with
// fault.WrongState when another process uses the directory, fault.DiskFull
// when the disk has no room even to open it, and fault.Integrity when the
// store is damaged or was sealed with another key.
//
// Some damage makes Badger end the process from goroutines of its own. Open
// reads and checks every table before Badger may.
func Open(cfg Config) (store.Store, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Collect <= 0 {
		cfg.Collect = 10 * time.Minute
	}
	disk := newDisk(&cfg)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the store's directory cannot be made").
			WithHint("Make %s a directory that the server may write to.", cfg.Dir)
	}
	if err := disk.roomToOpen(); err != nil {
		return nil, err
	}
	if err := preflight(cfg.Dir); err != nil {
		return nil, err
	}
	db, err := openBadger(&cfg)
	if err != nil {
		return nil, err
	}
	b := &backend{db: db, seal: newSeal(cfg.Key), disk: disk, states: newStates(db), stop: make(chan struct{})}
	if err := b.checkKey(); err != nil {
		return nil, errors.Join(err, b.db.Close())
	}
	b.loops.Go(func() {
		b.collect(cfg.Collect, func() error { return db.RunValueLogGC(0.5) }, cfg.Logger)
	})
	return store.New(b), nil
}

func openBadger(cfg *Config) (db *bdg.DB, err error) {
	err = guard("the store in "+cfg.Dir, func() error {
		db, err = bdg.OpenManaged(badgerOptions(cfg)) // see states
		return err
	})
	if err != nil && !fault.Is(err, fault.Integrity) {
		return nil, damaged(err, "the store in %s cannot be opened", cfg.Dir)
	}
	return db, err
}

// badgerOptions keeps Badger small and honest. Values never leave the tree
// (ValueThreshold), because a damaged value log reads as empty values without
// an error. They are sealed, so that compressing them gains nothing, and
// without compression no block cache is needed. Badger's own checksums stay
// off where blocks are read: a block that fails one would read as absent.
func badgerOptions(cfg *Config) bdg.Options {
	return bdg.DefaultOptions(cfg.Dir).
		WithLogger(logger{cfg.Logger}).
		WithSyncWrites(true).
		WithDetectConflicts(false). // the store lets one writer at a time into a space
		WithNumVersionsToKeep(1).
		WithMemTableSize(memTableSize).
		WithNumMemtables(memTables).
		WithNumLevelZeroTables(levelZeroTables).
		WithValueLogFileSize(64 << 20).
		WithValueThreshold(1 << 20).
		WithNumCompactors(2).
		WithCompactL0OnClose(true).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithChecksumVerificationMode(options.NoVerification).
		WithMetricsEnabled(false)
}

// memTableSize bounds a transaction too: Badger takes 15 % of it, and
// store.MaxTxn must fit. With each full one writes wait some 25 ms for the next,
// so that they are large; what is not written yet takes no memory.
const (
	memTableSize    = 32 << 20
	memTables       = 2 // full ones that wait to be written
	levelZeroTables = 4 // before they are compacted
)

type backend struct {
	db   *bdg.DB
	seal *seal
	disk *disk

	states *states

	stop  chan struct{}
	loops sync.WaitGroup
}

// Close ends the goroutines and writes what is in memory to its tables. When
// the disk has no room for that, the log is left as it is, which loses nothing
// either; the directory then stays locked until the process ends.
func (b *backend) Close() error {
	close(b.stop)
	b.loops.Wait()
	if err := b.disk.roomToOpen(); err != nil {
		return err
	}
	if err := b.db.Close(); err != nil {
		return fault.Wrap(fault.Internal, err, "the store did not close cleanly")
	}
	return nil
}

// collect reclaims space in the value log, a file in each run, until the store
// closes.
func (b *backend) collect(every time.Duration, run func() error, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
		}
		err := run()
		for err == nil { // there may be more
			err = run()
		}
		if !errors.Is(err, bdg.ErrNoRewrite) && !errors.Is(err, bdg.ErrRejected) {
			log.Warn("the store's value log was not collected", "error", err)
		}
	}
}
